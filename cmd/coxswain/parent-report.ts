/** What a process behind the terminal tells the one that started it, over the channel between them. */

/** A step that begins, with what is said once it is done; that all is ready; or why it will not be. */
export type ChildReport =
  | { readonly type: 'step'; readonly doing: string; readonly done: string }
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly message: string };

/** Resolves once the parent was told, or cannot be. */
export function tellParent(report: ChildReport): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(report, () => resolve());
  });
}
