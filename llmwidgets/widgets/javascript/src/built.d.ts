// What build.mjs makes: style sheets, a name for each module's panels, and src/comparison/tabs/ by
// the names of its files.

declare module "*.css";

/** The class of the panels that this module draws: no other module's sheet names it. */
declare const OWN: string;

declare module "comparison-tabs" {
  const tabs: Record<
    string,
    import("preact").ComponentType<{ result: import("./comparison/state").Result }>
  >;
  export default tabs;
}
