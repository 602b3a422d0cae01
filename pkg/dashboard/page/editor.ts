/** The editor of YAML, loaded with the first object that is looked at. */
import { yaml } from '@codemirror/lang-yaml';
import { EditorView } from '@codemirror/view';
import { basicSetup } from 'codemirror';

/** A text that is being edited. */
export interface Editor {
  text(): string;
  set(text: string): void;
  close(): void;
}

/** Puts an editor into an element. Tab goes to what comes next on the page, as everywhere. */
export function createEditor(parent: HTMLElement, text: string, isDark: boolean): Editor {
  const look = EditorView.theme({ '&': { height: '100%' }, '.cm-scroller': { overflow: 'auto' } }, { dark: isDark });
  const label = EditorView.contentAttributes.of({ 'aria-label': 'YAML of the object', tabindex: '0' });
  const view = new EditorView({ parent, doc: text, extensions: [basicSetup, yaml(), look, label] });
  return {
    text: () => view.state.doc.toString(),
    set: (changed) => {
      const { scrollTop } = view.scrollDOM;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: changed } });
      view.scrollDOM.scrollTop = scrollTop;
    },
    close: () => view.destroy(),
  };
}
