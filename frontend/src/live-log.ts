// <live-log>: what a run prints and how far it is, as it goes. It listens while it is seen, and has its page renewed at the end.
import type { JobOutput, JobProgress } from "./interface";

const PATIENCE = 3000; // milliseconds until a stream is asked for again that was refused

class LiveLog extends HTMLElement {
  private source: EventSource | null = null;
  private timer = 0;
  private text = "";
  private readonly bar = document.createElement("progress");
  private readonly told = document.createElement("span");
  private readonly output = document.createElement("pre");
  private readonly seen = (): void => (document.hidden ? this.close() : this.listen());

  connectedCallback(): void {
    const said = document.createElement("p");
    said.setAttribute("role", "status");
    this.bar.hidden = true;
    this.bar.setAttribute("aria-label", "Progress");
    said.append(this.bar, " ", this.told);
    this.output.tabIndex = 0;
    this.output.hidden = true;
    this.output.setAttribute("role", "log");
    this.output.setAttribute("aria-label", "Output");
    this.replaceChildren(said, this.output);
    document.addEventListener("visibilitychange", this.seen);
    this.seen();
  }

  disconnectedCallback(): void {
    document.removeEventListener("visibilitychange", this.seen);
    this.close();
  }

  // A browser has few connections to a server: a page that nobody sees takes none.
  private close(): void {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  private listen(): void {
    this.close();
    this.text = "";
    const source = new EventSource(this.dataset["address"] ?? "");
    this.source = source;
    source.addEventListener("progress", ({ data }: MessageEvent<string>) => this.tell(JSON.parse(data) as JobProgress));
    source.addEventListener("output", ({ data }: MessageEvent<string>) => this.print(JSON.parse(data) as JobOutput));
    source.addEventListener("end", () => {
      this.close();
      this.renew();
    });
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) return; // it connects again by itself
      this.timer = window.setTimeout(() => {
        this.renew();
        this.listen();
      }, PATIENCE);
    });
  }

  private tell(going: JobProgress): void {
    this.dataset["state"] = going.status;
    this.bar.hidden = going.total === 0;
    this.bar.max = going.total || 1;
    this.bar.value = going.done;
    const count = going.total === 0 ? "" : `${going.done.toLocaleString("en")} of ${going.total.toLocaleString("en")} `;
    this.told.textContent = count + (going.message || (going.status === "pending" ? "It waits for a worker." : ""));
    if (going.status !== this.dataset["status"] && going.status === "running") this.renew();
  }

  private print(printed: JobOutput): void {
    const isAtEnd = this.output.scrollTop + this.output.clientHeight >= this.output.scrollHeight - 4;
    this.text = printed.anew ? printed.text : this.text + printed.text;
    this.output.textContent = this.text;
    this.output.hidden = this.text === "";
    if (isAtEnd) this.output.scrollTop = this.output.scrollHeight;
  }

  private renew(): void {
    this.dispatchEvent(new Event("stale", { bubbles: true }));
  }
}

customElements.define("live-log", LiveLog);
