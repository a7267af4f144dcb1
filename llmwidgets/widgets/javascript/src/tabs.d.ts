// What build.mjs makes of the files in src/comparison/tabs/, by their names.
declare module "comparison-tabs" {
  const tabs: Record<
    string,
    import("preact").ComponentType<{ result: import("./comparison/state").Result }>
  >;
  export default tabs;
}
