/**
 * What a file exports: whether somebody takes it, by an import and not by chance of a word, and whether it says what it is. What is exported is a promise
 * to others; what nobody takes is not exported.
 */
import type { Node, Statement } from 'typescript/unstable/ast';
import { SyntaxKind } from 'typescript/unstable/ast';
import * as is from 'typescript/unstable/ast/is';
import { lineOf, type ProjectFile } from '../project.ts';

interface Exported {
  readonly name: string;
  readonly isType: boolean;
  readonly line: number;
  /** Whether a comment for readers stands before it. */
  readonly documented: boolean;
}

/** Declarations with `export` before them; `export { a } from` hands on what is declared elsewhere. */
export function exportsOf({ tree }: ProjectFile): readonly Exported[] {
  return tree.statements.filter(isExported).flatMap((statement) => {
    const isType = is.isInterfaceDeclaration(statement) || is.isTypeAliasDeclaration(statement);
    const documented = /\/\*\*[\s\S]*?\*\/\s*$/.test(leadingOf(statement));
    return namesOf(statement).map((name) => ({ name, isType, line: lineOf(statement, tree), documented }));
  });
}

/** What stands between the statement before and this one. The first comment of a file is the file's, unless another follows. */
function leadingOf(statement: Statement): string {
  const tree = statement.getSourceFile();
  const text = tree.text.slice(statement.getFullStart(), statement.getStart(tree)).replace(/^\s*\/\/[^\n]*\n/gm, '');
  return statement === tree.statements[0] ? text.replace(/^(?:#![^\n]*\n)?\s*\/\*\*[\s\S]*?\*\//, '') : text;
}

function isExported(statement: Statement): boolean {
  const { modifiers } = statement as Statement & { readonly modifiers?: readonly Node[] };
  return modifiers?.some(({ kind }) => kind === SyntaxKind.ExportKeyword) ?? false;
}

function namesOf(statement: Statement): readonly string[] {
  if (is.isVariableStatement(statement))
    return statement.declarationList.declarations.flatMap(({ name }) => bound(name));
  const { name } = statement as Statement & { readonly name?: Node };
  return name === undefined ? [] : [name.getText()];
}

/** The names of a declaration, one by one where it takes a value apart. */
function bound(name: Node): readonly string[] {
  if (is.isIdentifier(name)) return [name.text];
  if (!is.isObjectBindingPattern(name) && !is.isArrayBindingPattern(name)) return [];
  return name.elements.flatMap((element) => (is.isBindingElement(element) && element.name ? bound(element.name) : []));
}

/** Exports, values and types, that no other file imports. A file that takes a whole module takes of it what it names. */
export function unusedExports(files: readonly ProjectFile[], isPublic: (path: string) => boolean): readonly string[] {
  const takers = new Map<string, { readonly names: Set<string>; readonly wholes: ProjectFile[] }>();
  for (const file of files)
    for (const { from, name } of file.taken) {
      if (from === file.path) continue;
      const entry = takers.get(from) ?? { names: new Set(), wholes: [] };
      takers.set(from, entry);
      if (name === '*') entry.wholes.push(file);
      else entry.names.add(name);
    }
  const isTaken = (path: string, name: string): boolean => {
    const entry = takers.get(path);
    if (entry === undefined) return false;
    return entry.names.has(name) || entry.wholes.some(({ tree }) => new RegExp(`\\b${name}\\b`).test(tree.text));
  };
  return files
    .filter(({ path, isTest }) => !isTest && !isPublic(path))
    .flatMap((file) =>
      exportsOf(file)
        .filter(({ name, isType }) => !isTaken(file.path, name) && !(isType && isPartOfAnother(file, name)))
        .map(({ name }) => `${file.path}: ${name}`),
    );
}

/** A type in the signature of another export, or in a type of the same file that is exported, belongs to that. */
function isPartOfAnother({ tree }: ProjectFile, name: string): boolean {
  const pattern = new RegExp(`\\b${name}\\b`);
  return tree.statements.some((statement) => {
    if (!isExported(statement) || namesOf(statement).includes(name)) return false;
    return pattern.test(statement.getText(tree));
  });
}

/** `path: name` of each export without a comment that says what it is. */
export function silentExports(file: ProjectFile): readonly string[] {
  const all = exportsOf(file);
  // Of an overloaded function one signature says it for all.
  const told = new Set(all.filter(({ documented }) => documented).map(({ name }) => name));
  return [...new Set(all.map(({ name }) => name).filter((name) => !told.has(name)))].map(
    (name) => `${file.path}: ${name}`,
  );
}
