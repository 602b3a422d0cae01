/**
 * A switch over a union names each of its members, or its default says by `never` or `satisfies` what is left: then the compiler finds the
 * place when the union grows.
 */
import type { Node, SwitchStatement } from 'typescript/unstable/ast';
import * as is from 'typescript/unstable/ast/is';
import { type Checker, TypeFlags, type UnionType } from 'typescript/unstable/sync';
import { type ProjectFile, visit } from '../project.ts';

/** `path: the value switched over` of each switch over a closed union that the compiler would not find when the union grows. */
export function openSwitches({ path, tree, checker }: ProjectFile): readonly string[] {
  const found: string[] = [];
  visit(tree, (node) => {
    if (!is.isSwitchStatement(node) || is.isTypeOfExpression(node.expression) || saysWhatIsLeft(node)) return;
    const members = membersOf(checker, node.expression);
    if (members === undefined) return;
    const clauses = node.caseBlock.clauses;
    const hasDefault = clauses.some((clause) => is.isDefaultClause(clause));
    const named = clauses.filter((clause) => is.isCaseClause(clause)).length;
    if (hasDefault || named < members) found.push(`${path}: ${node.expression.getText(tree)}`);
  });
  return found;
}

/** How many literals the value can be, if it is a closed union of literals. */
function membersOf(checker: Checker, expression: Node): number | undefined {
  const type = checker.getTypeAtLocation(expression);
  if (type === undefined || (type.flags & TypeFlags.Union) === 0) return undefined;
  const members = (type as UnionType).getTypes();
  const literal = TypeFlags.StringLiteral | TypeFlags.NumberLiteral | TypeFlags.Undefined | TypeFlags.Null;
  return members.every(({ flags }) => (flags & literal) !== 0) ? members.length : undefined;
}

function saysWhatIsLeft(node: SwitchStatement): boolean {
  const last = node.caseBlock.clauses.find((clause) => is.isDefaultClause(clause));
  return last !== undefined && /\bnever\b|\bsatisfies\b/.test(last.getText());
}
