// Search in a folder of files. A browser lets such a page start no worker and read no other file, so this takes the worker's
// place, and docs/website.py writes the index as a script.
if (location.protocol === "file:") {
  const load = (name) => new Promise((done, failed) => {
    const script = document.createElement("script");
    Object.assign(script, {src: base_url + "/search/" + name, onload: done, onerror: failed});
    document.head.append(script);
  });
  window.Worker = class {
    async postMessage(message) {
      if (message.query) {
        const found = this.index.search(message.query).map((hit) => this.pages.get(hit.ref));
        this.onmessage({data: {results: found}});
        return;
      }
      await load("lunr.js");
      await load("search_index.js");
      const {config, docs} = window.searchIndex;
      this.pages = new Map(docs.map((page) => [page.location, {...page, summary: page.text.substring(0, 200)}]));
      this.index = lunr(function () {
        lunr.tokenizer.separator = new RegExp(config.separator);
        this.field("title");
        this.field("text");
        this.ref("location");
        docs.forEach((page) => this.add(page));
      });
      this.onmessage({data: {config}});
      this.onmessage({data: {allowSearch: true}});
    }
  };
}
