/** The exit codes of `coxswain` in one table, which `docs/commands.md` has too. */

/** Each with what it says; kubectl's are its own. */
export const exitCodes = {
  done: { code: 0, meaning: 'It is done, or was so already.' },
  failed: {
    code: 1,
    meaning:
      'It could not be done, and one line on standard error says why; of `status`, `doctor`, `simulate`, `rebalance --perform` and `vm compare` also: what was looked at is not as it should be, and the output says what.',
  },
  interrupted: { code: 130, meaning: 'Ctrl-C was pressed a second time, so nothing was waited for.' },
} as const;
