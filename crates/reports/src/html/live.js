// Fetches the state again every few seconds, for as long as somebody answers.
"use strict";
(() => {
  const place = document.getElementById("state");
  const spoken = document.getElementById("spoken");
  const again = async () => {
    try {
      const answer = await fetch("/state", { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      const text = await answer.text();
      // The same program wrote this text as the page.
      if (text !== place.innerHTML) place.innerHTML = text;
      const said = document.getElementById("headline").textContent;
      // The seconds change all the time; a screen reader is told of finished stages only.
      const short = said.split(".")[0];
      if (spoken.textContent !== short) spoken.textContent = short;
    } catch {
      spoken.textContent = "The program no longer answers. This is the last state that it showed.";
      spoken.className = "headline";
      return;
    }
    setTimeout(again, 3000);
  };
  setTimeout(again, 3000);
})();
