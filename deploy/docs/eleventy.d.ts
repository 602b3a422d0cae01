/** What is used of Eleventy, which has no types of its own. */
declare module '@11ty/eleventy' {
  /** The settings that are given to a site's `config`. */
  interface Settings {
    setIncludesDirectory(folder: string): void;
    addPlugin(plugin: unknown): void;
    addPassthroughCopy(path: string): void;
    addTransform(name: string, change: (content: string) => string): void;
    addGlobalData(name: string, value: unknown): void;
    addTemplate(path: string, text: string, data: Readonly<Record<string, unknown>>): void;
  }
  export const InputPathToUrlTransformPlugin: unknown;
  /** A site of the pages of `input`. */
  export class Eleventy {
    constructor(
      input: string,
      output: string,
      options: {
        readonly quietMode: boolean;
        readonly configPath: false;
        config(settings: Settings): { readonly markdownTemplateEngine: false };
      },
    );
    write(): Promise<unknown>;
  }
}
