// The store as the kernel sends it: its state in the header, the screen that stands before the rest.

import type { FormState } from "../connections/state";
import type { ErrorState, PanelState } from "../panel/protocol";

/** A place that can remember the identity. */
export interface Place {
  place: string;
  words: string;
  where: string;
  on: boolean;
}

/** What came of the last step of a part of the settings. */
export interface Told {
  state: "ok" | "warn" | "fail";
  sentence: string;
  hint?: string;
}

export interface PreviewState {
  path: string;
  caution: string;
  unreadable: string[];
  rows: {
    label: string;
    kind: string;
    host: string;
    tail: string;
    sign_in: string;
    new: boolean;
    state: string;
  }[];
}

export interface SettingsState {
  opening: {
    places: Place[];
    auto_lock: number;
    asks: boolean;
    needs_old: boolean;
    recipient: string;
  };
  members: { name: string; fingerprint: string; you: boolean; fixed: boolean }[];
  backups: { name: string; saved: string; connections: number | null }[];
  told: Partial<Record<string, Told | null>>;
  working: string;
  invitation: string;
  preview: PreviewState | null;
}

export interface StoreState {
  organization: string;
  exists: boolean;
  locked: boolean;
  why: string;
  notices: string[];
  memory: boolean;
  read_only: boolean;
  by: string;
  locks_after: number;
  changed: string;
  path: string;
  gate: "" | "create" | "unlock" | "store";
  said: (ErrorState & { by: string }) | null;
  busy: boolean;
  /** Seconds until the next try. */
  wait: number;
  backup: string;
  offered: Place[];
  making: { count: number; bits: number } | null;
  organizations?: string[];
  rolled_back?: boolean;
  settings?: SettingsState | null;
}

/** What every widget over a store shows. */
export interface StorePanelState extends PanelState {
  store: StoreState;
  form: FormState | null;
}
