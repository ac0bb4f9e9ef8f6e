// Files that are chosen or dropped, sent one after the other; what is refused is said, and what came is shown.
export function prepareUploads(): void {
  const form = document.querySelector<HTMLFormElement>("form[data-upload]");
  const field = form?.querySelector<HTMLInputElement>("input[type=file]");
  if (!form || !field) return;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void send(form, [...(field.files ?? [])]);
  });
  form.addEventListener("dragover", (event) => event.preventDefault());
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    void send(form, [...(event.dataTransfer?.files ?? [])]);
  });
}

async function send(form: HTMLFormElement, files: File[]): Promise<void> {
  const status = form.querySelector("[role=status]");
  const token = form.querySelector<HTMLInputElement>("input[name=form_token]")?.value ?? "";
  const say = (text: string): void => {
    if (status !== null) status.textContent = text;
  };
  for (const [at, file] of files.entries()) {
    say(`${at + 1} of ${files.length}: ${file.name}`);
    const address = `${form.dataset["upload"] ?? ""}${encodeURIComponent(file.name)}${said(form)}`;
    const headers = { "x-form-token": token, "content-type": "application/octet-stream" };
    const answer = await fetch(address, { method: "PUT", body: file, headers }).catch(() => null);
    if (!answer?.ok) {
      const told: unknown = await answer?.json().catch(() => null);
      const detail = typeof told === "object" && told !== null && "detail" in told ? String(told.detail) : "The server cannot be reached.";
      say(`${file.name}: ${detail}`);
      return;
    }
  }
  const then = form.dataset["then"];
  if (files.length > 0 && then !== undefined) location.assign(then);
  else if (files.length > 0) location.reload();
}

/** What is said of the files, as the query of the address that they are sent to. */
function said(form: HTMLFormElement): string {
  const fields = [...form.querySelectorAll<HTMLInputElement | HTMLSelectElement>("[data-sent]")].filter((field) => field.value !== "");
  return fields.length === 0 ? "" : `?${new URLSearchParams(fields.map((field) => [field.name, field.value]))}`;
}
