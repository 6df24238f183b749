// The site's search runs in a worker, which browsers refuse to a page that is opened as a file:
// there its script runs in a hidden frame.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(script) {
      this.onmessage = this.onerror = null;
      this.frame = document.createElement("iframe");
      this.frame.style.display = "none";
      document.body.appendChild(this.frame);
      const inside = this.frame.contentWindow;
      inside.document.open(); // Firefox would put another document in its place
      inside.document.close();
      // What the script calls to answer; what it hears is its `onmessage`. Both get copies, later.
      inside.postMessage = (data) => this.send(this, data);
      inside.onerror = (message) => this.onerror?.(new ErrorEvent("error", { message }));
      this.ready = new Promise((resolve) => {
        const element = inside.document.createElement("script");
        element.src = script;
        element.onload = resolve;
        inside.document.head.appendChild(element);
      });
    }
    postMessage(data) {
      this.ready.then(() => this.send(this.frame.contentWindow, data));
    }
    send(to, data) {
      const copy = structuredClone(data);
      setTimeout(() => to?.onmessage?.({ data: copy }));
    }
    terminate() {
      this.frame.remove();
    }
  };
}
