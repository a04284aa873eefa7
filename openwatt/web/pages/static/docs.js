// Starts the documentation. In a file of its own because the page allows no inline script.
"use strict";
addEventListener("DOMContentLoaded", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", follow);
  follow();

  // Swagger UI's own layout is a page: with a title and a main part, which the page around it has already.
  const InOurPage = ({ React }) => {
    const h = React.createElement;
    return {
      components: {
        OurLayout: ({ getComponent, specSelectors }) => {
          if (specSelectors.loadingStatus() !== "success") return null;
          const [Markdown, Icons] = [getComponent("Markdown", true), getComponent("SvgAssets")];
          const [Servers, List, Models] = ["ServersContainer", "operations", "Models"].map((name) => getComponent(name, true));
          return h("div", { className: "swagger-ui" },
            h(Icons),
            h("div", { className: "about" }, h(Markdown, { source: specSelectors.info().get("description") })),
            h("div", { className: "scheme-container" }, h(Servers)),
            h("h2", null, "Operations"),
            h(List),
            h(Models));
        },
      },
      wrapComponents: {
        // Its link lies within the button that opens the operation, and only one of both can be reached.
        DeepLink: () => ({ text }) => h("span", null, text),
      },
    };
  };

  // What an opened operation adds: lists without a name, and examples that scroll and no key reaches.
  const contract = document.getElementById("contract");
  new MutationObserver(() => {
    for (const list of contract.querySelectorAll("tr[data-param-name] select:not([aria-label])")) {
      list.setAttribute("aria-label", list.closest("tr").dataset.paramName);
    }
    for (const example of contract.querySelectorAll("pre.microlight:not([tabindex])")) example.tabIndex = 0;
  }).observe(contract, { childList: true, subtree: true });

  SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#contract",
    layout: "OurLayout",
    plugins: [InOurPage],
    deepLinking: true,
    tryItOutEnabled: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    syntaxHighlight: { activated: false },  // its red numbers are too faint on their ground
    validatorUrl: null,
  });
});
