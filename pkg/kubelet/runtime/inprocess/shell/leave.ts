/** How `break`, `continue`, `return` and `exit` go through the commands around them: thrown by the builtin, caught by what is left. */

/** Leaves a loop, a function or the shell. */
export class Leave extends Error {
  readonly kind: 'break' | 'continue' | 'exit' | 'return';
  /** Of a loop: how many. Else the exit code. */
  readonly value: number;

  constructor(kind: Leave['kind'], value: number) {
    super(kind);
    this.kind = kind;
    this.value = value;
  }
}
