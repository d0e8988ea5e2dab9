// @ts-check
/** Ids, names and limits that the Python repeats (tests/web/test_casting_contract.py pins them), and the panel's own. */

// the same in Python
export const NODE_ID = "LoupeCastLock";
export const UI_KEY = "loupe_cast";
export const SCHEMA = 1; // of the payload and of a lock
export const LOCK_WIDGET = "lock";
export const MODE_WIDGET = "mode";
export const ASK = "ask";
export const LOCKED = "locked";
export const PICK = "pick";
export const BLIND_PICK = "blind pick";
export const LEAST_PICKS = 20; // blind ones, before auto-best can be earned
export const LEAST_AGREEMENT = 0.5; // that the lower bound has to pass

// the panel's own
export const PROPERTY = "loupe_cast"; // of node.properties
export const MOST_TAKES = 256; // sixteen sockets with sixteen takes each
export const MOST_TOGETHER = 6; // takes in the loupe at once: more would be too small to judge
export const FIRST_TOGETHER = 4; // of them before anything was chosen
