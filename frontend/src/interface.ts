// Made of the interface's OpenAPI document by tools/interface_types.py: `make types` writes it anew.

export interface Envelope {
  id: string;
  name: string;
  unit: string;
  from: number; // Microseconds since 1970, UTC.
  to: number; // Microseconds since 1970, UTC.
  offset: number; // Microseconds that what is told lies before the window.
  count: number; // How many points there are.
  exact: boolean; // Whether these are the points themselves.
  step: number | null;
  time: number[];
  min: number[];
  max: number[];
}

export interface JobOutput {
  text: string;
  anew: boolean; // In place of what there is.
}

export interface JobProgress {
  status: string;
  done: number;
  total: number;
  message: string;
}

export interface Problem {
  type: string;
  title: string;
  detail: string;
  instance: string;
  status: number;
  fields?: Record<string, string>;
}
