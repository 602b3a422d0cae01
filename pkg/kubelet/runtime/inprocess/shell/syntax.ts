/** What a script is made of: the tree that `parse.ts` makes and `shell.ts` runs. Source: POSIX.1-2024, Shell Command Language, section 2. */

/** A piece of a word. What is quoted is neither split nor a pattern. */
export type WordPart =
  | { readonly kind: 'text'; readonly text: string; readonly isQuoted: boolean }
  | {
      readonly kind: 'variable';
      readonly name: string;
      readonly isQuoted: boolean;
      /** Such as `:-` or `##`, with what follows; `length` for `${#name}`. */
      readonly operator?: string;
      readonly operand?: Word;
    }
  | { readonly kind: 'command'; readonly script: List; readonly isQuoted: boolean }
  | { readonly kind: 'arithmetic'; readonly expression: Word; readonly isQuoted: boolean };

/** A word before it is expanded. */
export type Word = readonly WordPart[];

/** One redirection of a command. */
export interface Redirect {
  readonly descriptor: number;
  readonly operator: '<' | '<&' | '<<' | '>' | '>&' | '>>' | '<>';
  /** A path, a descriptor, or what is read. */
  readonly target: Word;
}

/** One variable that is set. */
export interface Assignment {
  readonly name: string;
  readonly value: Word;
}

/** A command of any form. */
export type Command =
  | {
      readonly kind: 'simple';
      readonly assignments: readonly Assignment[];
      readonly words: readonly Word[];
      readonly redirects: readonly Redirect[];
    }
  | ((
      | { readonly kind: 'group'; readonly body: List; readonly isSubshell: boolean }
      | {
          readonly kind: 'if';
          readonly branches: readonly { readonly condition: List; readonly body: List }[];
          readonly otherwise?: List;
        }
      | { readonly kind: 'loop'; readonly condition: List; readonly body: List; readonly isUntil: boolean }
      | { readonly kind: 'for'; readonly name: string; readonly words?: readonly Word[]; readonly body: List }
      | {
          readonly kind: 'case';
          readonly subject: Word;
          readonly branches: readonly { readonly patterns: readonly Word[]; readonly body: List }[];
        }
      | { readonly kind: 'function'; readonly name: string; readonly body: Command }
    ) & { readonly redirects: readonly Redirect[] });

/** Commands, each of which reads what the one before writes. */
export interface Pipeline {
  readonly isNegated: boolean;
  readonly commands: readonly Command[];
}

/** Pipelines of which each depends on how the one before ended. */
export interface AndOr {
  readonly first: Pipeline;
  readonly rest: readonly { readonly operator: '&&' | '||'; readonly pipeline: Pipeline }[];
  readonly isBackground: boolean;
}

/** Pipelines one after the other. */
export type List = readonly AndOr[];

/** A script that is none. `isUnfinished`: more of it could make it one. */
export class SyntaxProblem extends Error {
  override readonly name = 'SyntaxProblem';
  readonly isUnfinished: boolean;

  constructor(message: string, options: { readonly isUnfinished?: boolean } = {}) {
    super(message);
    this.isUnfinished = options.isUnfinished === true;
  }
}
