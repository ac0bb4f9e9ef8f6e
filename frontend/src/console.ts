// What every page has: links and forms that htmx follows, keys, the palette, and the switch between light and dark.
import "htmx.org";

import { prepareBasket } from "./basket";
import { prepareCopies } from "./copies";
import { prepareChoosing } from "./chosen";
import { prepareFinding } from "./finding";
import { showInPlace } from "./in-place";
import { listenForKeys } from "./keys";
import { guardLiveParts } from "./live-parts";
import "./live-log";
import { preparePalette } from "./palette";
import { switchThemes } from "./theme";
import { guardForms } from "./unsaved";
import { prepareUploads } from "./uploads";

listenForKeys();
preparePalette();
switchThemes();
prepareUploads();
guardForms();
prepareBasket();
prepareCopies();
guardLiveParts();
prepareChoosing();
prepareFinding();
showInPlace();

// What a page asks for by itself is refused once its session is over: then the whole page is asked for, which leads to logging in.
document.addEventListener("htmx:responseError", (event) => {
  const { xhr } = (event as CustomEvent<{ xhr: XMLHttpRequest }>).detail;
  if (xhr.status === 401) location.reload();
});
