// Light and dark: as the system says, until somebody chooses. A cookie keeps the choice, because the port of the server
// changes from start to start, and the storage of a browser does not go along; a page in a file has no cookies.

const NAME = "nadmit-theme";
const ORDER = ["system", "light", "dark"];
const TITLES = { system: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" };

function loadTheme() {
  const cookie = document.cookie.split("; ").find((one) => one.startsWith(`${NAME}=`));
  const found = cookie ? cookie.slice(NAME.length + 1) : stored();
  return ORDER.includes(found) ? found : "system";
}

function stored() {
  try {
    return localStorage.getItem(NAME);
  } catch {
    return null; // a browser can forbid it
  }
}

function saveTheme(theme) {
  document.cookie = `${NAME}=${theme}; path=/; max-age=31536000; samesite=strict`;
  try {
    localStorage.setItem(NAME, theme);
  } catch {
    return; // the cookie has it
  }
}

/** Make the button that switches the theme. `onSwitch` is called after a switch, also one of the system. */
export function startTheme(button, onSwitch) {
  let theme = loadTheme();
  const show = () => {
    document.documentElement.dataset.theme = theme;
    button.textContent = TITLES[theme];
  };
  show();
  button.addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    saveTheme(theme);
    show();
    onSwitch();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", onSwitch);
}
