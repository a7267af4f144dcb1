// The form of a connection as the kernel sends it; of a secret only what may be seen.

export interface SecretState {
  state: "empty" | "received" | "stored";
  tail?: string;
  reference?: string | null;
  /** A value was received over a stored one. */
  replaces?: boolean;
}

export interface HeaderState extends SecretState {
  name: string;
}

interface FieldBase {
  name: string;
  label: string;
  help: string;
  placeholder: string;
  choices: string[];
  optional: boolean;
  multiline: boolean;
  address: boolean;
  error: string;
  filled: boolean;
  /** What the button says that reads the choices from the server. */
  lists: string;
}

export interface SecretFieldState extends FieldBase {
  type: "secret";
  secret: SecretState;
  /** Names that are not secret: whose credentials arrived. */
  facts?: [name: string, value: string][];
}

export interface TextFieldState extends FieldBase {
  type: "text" | "date";
  value: string | null;
}

export interface BoolFieldState extends FieldBase {
  type: "bool";
  value: boolean | null;
}

export interface PriceFieldState extends FieldBase {
  type: "price";
  value: { input?: number | string; output?: number | string } | null;
}

export interface HeadersFieldState extends FieldBase {
  type: "headers";
  rows: HeaderState[];
}

export type FieldState =
  | SecretFieldState
  | TextFieldState
  | BoolFieldState
  | PriceFieldState
  | HeadersFieldState;

export interface GroupState {
  name: "main" | "sign_in" | "optional" | "advanced";
  title: string;
  fields: FieldState[];
  open: boolean;
}

export interface ReportState {
  ok: boolean;
  title: string;
  text: string;
  hint: string;
  seconds: number | null;
  code: string;
  details: [name: string, said: string][];
  fix: { label: string; old: string; new: string }[];
  /** What the button says that fixes it. */
  apply: string;
  /** What somebody else can run to fix it. */
  command: string;
  notes: string[];
}

export interface ModeState {
  icon: string;
  sentence: string;
  text: string;
  tried: {
    form: string;
    said: string;
    accepted: boolean;
    obeyed: boolean | null;
    used: boolean;
    schema: boolean;
  }[];
}

export interface ModelRow {
  model: string;
  reply: string;
  price: string;
  note: string;
  loud: boolean;
  off: boolean;
  allow?: boolean;
}

/** A server that is often connected: one row of the list. */
export interface PresetState {
  title: string;
  endpoint: string;
  enforces: string;
  level: "ok" | "warn";
  watch_out: string;
  on: boolean;
}

/** The preset that is on. */
export interface ChosenState {
  title: string;
  endpoint: string;
  /** Whether the form's address is the preset's. */
  own: boolean;
  /** What the address leaves open, and what belongs there. */
  hole: string;
  fill: string;
  key_page: string;
  variable: string;
  /** What calls to it have of their own. */
  sent: string;
}

export interface RequestState {
  line: string;
  text: string;
  curl: string;
}

/** How the form signs in; `account` is there once a token was fetched. */
export interface SignInState {
  way: string;
  ways: { name: string; title: string }[];
  keyless: boolean;
  account: string;
  source: string;
  /** What signed in, where nobody says who it is. */
  unnamed: string;
  note: string;
  back: string;
  dropped: string;
}

export interface FormState {
  key: string;
  rev: string;
  kind: string;
  title: string;
  label: string;
  about: string;
  costs: string;
  labelled: boolean;
  typed_label: string;
  origin: "" | "store" | "session" | "demo" | "policy" | "environment";
  read_only: boolean;
  keeper: string;
  saved: string;
  checked: string;
  busy: string;
  intent: "save" | "session";
  said: string;
  apart: string;
  host: string;
  address: { parts: [name: string, said: string][]; calls: string } | null;
  notes: string[];
  key_notes: { said: string; fix: string }[];
  warnings: string[];
  presets: PresetState[];
  preset: ChosenState | null;
  sign_in: SignInState | null;
  groups: GroupState[];
  problem: string;
  hint: string;
  links: { text: string; url: string }[];
  steps: string[];
  pictures: { name: string; title: string }[];
  doubts: string[];
  owners: { kind: string; title: string }[];
  report: ReportState | null;
  endings: { models: string[]; text: string; successor: string }[];
  mode: ModeState | null;
  requests: { before: number; shown: RequestState[] };
  refused: { model: string; rule: string; allow: boolean } | null;
  rows: ModelRow[] | null;
  facts_of: string;
  off_whitelist: string[];
  added: string;
  reference: string;
  waits: boolean;
  may_keep: boolean;
  may_allow: boolean;
  listed: string[];
}
