/**
 * The project as the TypeScript compiler sees it: one program, opened once, that all rules of `rules/` share. Opening takes about a second, so tests
 * that need it are in one file (`structure.test.ts`). Rules read trees and, where they must, types; they change nothing.
 */
import { join } from 'node:path';
import type { Node, SourceFile } from 'typescript/unstable/ast';
import { SyntaxKind } from 'typescript/unstable/ast';
import * as is from 'typescript/unstable/ast/is';
import { API, type Checker } from 'typescript/unstable/sync';
import { resolveImport, root } from './source-files.ts';

/** One name that a file takes from another; `*` is the whole module, an empty text its mere loading. */
export interface Taken {
  readonly name: string;
  /** The project's path, such as `pkg/base/clock.ts`, or a package's name. */
  readonly from: string;
  /** Whether the other file is loaded for it: erased imports of types are not. */
  readonly byValue: boolean;
}

export interface ProjectFile {
  readonly path: string;
  readonly tree: SourceFile;
  /** Of the program that the file is a part of. */
  readonly checker: Checker;
  /** Tests, harnesses for tests and what only they read. */
  readonly isTest: boolean;
  readonly taken: readonly Taken[];
}

export interface Project {
  readonly files: readonly ProjectFile[];
  close(): void;
}

const ownFile = /^(?:cmd|pkg|tests|manifests|deploy)\/(?!api\/types\/)/;
const testFile =
  /\.test\.ts$|^tests\/|^pkg\/(?:[a-z-]+\/)+testing\/|^pkg\/testing\/|\/conformance\.ts$|-conformance\.ts$|^pkg\/[a-z]+\/bench\.ts$|\/(?:test-[a-z-]+|testing)\.ts$/;

/** Code of the project that is checked apart, as it runs in a browser. */
const configs = ['tsconfig.json', 'pkg/dashboard/page/tsconfig.json'];

/** Opens the programs of the project. Whoever opens it closes it: a process of the compiler hangs on it. */
export function openProject(): Project {
  const api = new API({ cwd: root });
  const paths = configs.map((config) => join(root, config));
  const snapshot = api.updateSnapshot({ openProjects: paths });
  const files = new Map<string, ProjectFile>();
  for (const config of paths) {
    const project = snapshot.getProject(config);
    if (project === undefined) throw new Error(`Cannot open ${config} as the compiler has no such project`);
    const { program, checker } = project;
    for (const name of program.getSourceFileNames()) {
      const path = name.slice(root.length + 1);
      const isOwn = name.startsWith(`${root}/`) && ownFile.test(path) && !path.startsWith('pkg/api/types/');
      // What several programs have is looked at once.
      if (isOwn && !files.has(path)) files.set(path, describe(path, program.getSourceFile(name)!, checker));
    }
  }
  const sorted = [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return { files: sorted, close: () => api.close() };
}

function describe(path: string, tree: SourceFile, checker: Checker): ProjectFile {
  return { path, tree, checker, isTest: testFile.test(path), taken: takenBy(path, tree) };
}

function takenBy(path: string, tree: SourceFile): readonly Taken[] {
  const static_ = tree.statements.flatMap((statement): readonly Taken[] => {
    if (!is.isImportDeclaration(statement) && !is.isExportDeclaration(statement)) return [];
    const specifier = statement.moduleSpecifier;
    if (specifier === undefined || !is.isStringLiteral(specifier)) return [];
    const from = resolveImport(path, specifier.text);
    const clause = is.isImportDeclaration(statement) ? statement.importClause : statement.exportClause;
    return namesOf(statement, clause).map((one) => ({ ...one, from }));
  });
  return [...static_, ...dynamicImports(path, tree)];
}

function namesOf(statement: Node, clause: Node | undefined): readonly Omit<Taken, 'from'>[] {
  const erased = is.isExportDeclaration(statement)
    ? statement.isTypeOnly
    : clause !== undefined && is.isImportClause(clause) && clause.phaseModifier === SyntaxKind.TypeKeyword;
  if (clause === undefined) return [{ name: is.isExportDeclaration(statement) ? '*' : '', byValue: !erased }];
  const bindings = is.isImportClause(clause) ? clause.namedBindings : clause;
  const named: Omit<Taken, 'from'>[] = [];
  if (is.isImportClause(clause) && clause.name !== undefined) named.push({ name: 'default', byValue: !erased });
  if (bindings === undefined) return named;
  if (is.isNamedImports(bindings) || is.isNamedExports(bindings)) {
    for (const element of bindings.elements)
      named.push({ name: (element.propertyName ?? element.name).text, byValue: !erased });
    return named;
  }
  return [...named, { name: '*', byValue: !erased }];
}

/** `import('./x.ts')` loads another file later, and takes whatever of it: a destructured name, or the whole. */
function dynamicImports(path: string, tree: SourceFile): readonly Taken[] {
  const found: Taken[] = [];
  visit(tree, (node) => {
    if (is.isImportTypeNode(node)) {
      const argument = node.argument;
      if (is.isLiteralTypeNode(argument) && is.isStringLiteral(argument.literal))
        found.push({ name: '*', from: resolveImport(path, argument.literal.text), byValue: false });
    }
    if (!is.isCallExpression(node) || node.expression.kind !== SyntaxKind.ImportKeyword) return;
    const [target] = node.arguments;
    if (target !== undefined && is.isStringLiteral(target))
      found.push({ name: '*', from: resolveImport(path, target.text), byValue: false });
  });
  return found;
}

/** Calls `look` for the node and everything in it, outer ones first. */
export function visit(node: Node, look: (node: Node) => void): void {
  look(node);
  node.forEachChild((child) => visit(child, look));
}

/** The line, from 1, at which the node's own text begins. */
export function lineOf(node: Node, tree: SourceFile): number {
  return tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
}

/** Lines from the first to the last of the node's own text. */
export function linesOf(node: Node, tree: SourceFile): number {
  return tree.getLineAndCharacterOfPosition(node.getEnd()).line + 2 - lineOf(node, tree);
}
