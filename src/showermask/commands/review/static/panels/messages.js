// @ts-check
// What the page says: notices, and the question that a changed region file raises.

export class Messages {
  constructor(store, $, header) {
    const notice = $("notice");
    store.on("notice", (said) => {
      notice.hidden = !said;
      if (!said) return;
      notice.classList.toggle("error", said.isError);
      notice.querySelector("span").textContent = said.text;
    });
    notice.querySelector("button").addEventListener("click", () => store.hideNotice());
    const dialog = $("conflict");
    store.on("conflict", (sentence) => {
      dialog.querySelector("p").textContent = sentence;
      dialog.showModal();
    });
    for (const button of dialog.querySelectorAll("button")) {
      button.addEventListener("click", async () => {
        dialog.close();
        if (button.value === "overwrite") await header.save({ force: true });
        if (button.value === "reload") await store.change("reload");
      });
    }
  }
}
