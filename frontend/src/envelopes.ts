// What the server tells of series, and how it becomes the columns of a plot.
import uPlot from "uplot";

import type { Envelope, Problem } from "./interface";

type Column = (number | null)[];
const SECOND = 1e6;

export class Refused extends Error {}

export async function fetchEnvelope(address: string, signal: AbortSignal): Promise<Envelope> {
  const response = await fetch(address, { signal, headers: { accept: "application/json" } });
  if (response.ok) return (await response.json()) as Envelope;
  const problem = (await response.json().catch(() => null)) as Partial<Problem> | null;
  throw new Refused(problem?.detail ?? `The server answered ${response.status}.`);
}

// Times in seconds, and for each series its lowest and its highest values; a null breaks the line.
export function columns(envelopes: Envelope[]): uPlot.AlignedData {
  const tables = envelopes.map((one) => broken(one) as unknown as uPlot.AlignedData);
  return tables.length === 1 ? tables[0]! : uPlot.join(tables);
}

function broken(one: Envelope): [number[], Column, Column] {
  const times: number[] = [];
  const low: Column = [];
  const high: Column = [];
  const far = farthest(one);
  one.time.forEach((time, at) => {
    const before = one.time[at - 1];
    if (before !== undefined && time - before > far) {
      times.push((before + far / 2) / SECOND);
      low.push(null);
      high.push(null);
    }
    times.push(time / SECOND);
    low.push(one.min[at] ?? null);
    high.push(one.max[at] ?? null);
  });
  return [times, low, high];
}

// How far apart neighbours may be that a line joins: what lies between them is not known to be missing.
function farthest(one: Envelope): number {
  const step = one.step === null ? (one.exact ? Infinity : 0) : 1.5 * one.step;
  if (one.exact) return step;
  const [first, second] = [one.time[0], one.time[1]];
  if (first === undefined || second === undefined) return Infinity;
  return Math.max(step, 1.5 * Math.min(...one.time.slice(1).map((time, at) => time - (one.time[at] ?? time))));
}
