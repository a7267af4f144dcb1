declare module "*.css";

/** The class of the panels that this module draws: no other module's sheet names it. */
declare const OWN: string;
