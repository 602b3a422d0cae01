/** How control leaves what runs: thrown by builtins, and caught by the loop, the function or the shell that it is for. */

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
