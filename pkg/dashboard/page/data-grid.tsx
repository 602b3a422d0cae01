/**
 * A list of any length: only the rows in sight, and some around them, are in the page, and only those are asked for. By keyboard the grid is one stop: arrows, page keys, Home and End
 * move the active row, Enter opens it. Rows have one height, so that where each is needs no measuring.
 */
import { useEffect, useId, useMemo, useRef, useState } from 'preact/hooks';
import type { Column, ListQuery, Row, Sort } from '../model/protocol.ts';
import { type ListModel, type ListState, openList } from './list-model.ts';
import { ageText, count, now } from './words.ts';

const rowHeight = 30;
/** Rows kept around those in sight, so that scrolling seldom finds nothing. */
const around = 15;

interface GridProps {
  /** Names the list for who hears it. */
  readonly label: string;
  /** Without the window; the list is opened anew where it changes. */
  readonly query: Omit<ListQuery, 'count' | 'from' | 'kind' | 'sort'>;
  readonly sortAtFirst?: Sort;
  /** Whether the namespace is a column. */
  readonly hasNamespace: boolean;
  /** Whether columns for wide tables are shown. */
  readonly isWide?: boolean;
  /** Hides columns by name. */
  readonly without?: readonly string[];
  onOpen(row: Row): void;
  hrefOf(row: Row): string;
}

interface ShownColumn {
  readonly name: string;
  readonly description: string;
  readonly sort: Sort['by'];
  text(row: Row): string;
  /** In place of the text of some columns: since when the age is. */
  since?(row: Row): number;
}

/** The grid. */
export function DataGrid(props: GridProps) {
  const [sort, setSort] = useState<Sort | undefined>(props.sortAtFirst);
  const [active, setActive] = useState(0);
  const id = useId();
  const { scroller, top, height, onScroll } = useScroller();
  const model = useList(props.query, sort, height);
  const from = Math.max(0, Math.floor(top / rowHeight) - around);
  const wanted = Math.ceil(height / rowHeight) + 2 * around;
  useEffect(() => model.view.move(from, wanted), [model, from, wanted]);
  const state = model.state.value;
  const { hasNamespace, isWide, without = [] } = props;
  const columns = useMemo(
    () => shownColumns(state.columns, props),
    [state.columns, hasNamespace, isWide, without.join()],
  );
  const template = columns.map(({ name }) => widthOf(name)).join(' ');
  const activeRow = state.rows[active - state.from];
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.target !== scroller.current) return;
    const to = placeAfter(event.key, {
      active,
      total: state.total,
      page: Math.max(1, Math.floor(height / rowHeight) - 2),
    });
    if (to !== undefined) {
      setActive(to);
      scrollTo(scroller.current, to);
    } else if (event.key === 'Enter' && activeRow !== undefined) props.onOpen(activeRow);
    else return;
    event.preventDefault();
  };
  return (
    <>
      <div
        class="grid"
        role="grid"
        aria-label={props.label}
        aria-rowcount={state.total + 1}
        aria-colcount={columns.length}
        aria-activedescendant={activeRow === undefined ? undefined : `${id}-${active}`}
        tabIndex={0}
        ref={scroller}
        onScroll={onScroll}
        onKeyDown={onKeyDown}
      >
        <GridHead columns={columns} template={template} sort={sort} onSort={setSort} />
        <GridBody {...{ id, state, columns, template, active }} hrefOf={props.hrefOf} onActive={setActive} />
      </div>
      <p class="quiet count" role="status">
        {countText(state)}
      </p>
    </>
  );
}

/** How far an element is scrolled, and what of it is in sight. */
function useScroller() {
  const scroller = useRef<HTMLDivElement>(null);
  const [height, setHeight] = useState(600);
  const [top, setTop] = useState(0);
  useEffect(() => {
    const element = scroller.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return { scroller, top, height, onScroll: () => setTop(scroller.current?.scrollTop ?? 0) };
}

/** The list of a query, opened anew where that changes. */
function useList(query: GridProps['query'], sort: Sort | undefined, height: number): ListModel {
  const model = useMemo(() => {
    const sorted = sort === undefined ? {} : { sort };
    return openList({ kind: 'list', ...query, ...sorted, from: 0, count: Math.ceil(height / rowHeight) + around });
  }, [JSON.stringify([query, sort])]);
  useEffect(() => () => model.view.close(), [model]);
  return model;
}

function widthOf(name: string): string {
  return name === 'Name' || name === 'Message' ? 'minmax(14rem, 3fr)' : 'minmax(5.5rem, 1fr)';
}

interface Step {
  readonly active: number;
  readonly total: number;
  readonly page: number;
}

/** The row that a key leads to; undefined for other keys. */
function placeAfter(key: string, { active, total, page }: Step): number | undefined {
  const steps: Readonly<Record<string, number>> = {
    ArrowDown: active + 1,
    ArrowUp: active - 1,
    PageDown: active + page,
    PageUp: active - page,
    Home: 0,
    End: total - 1,
  };
  const to = steps[key];
  return to === undefined ? undefined : Math.min(Math.max(0, to), Math.max(0, total - 1));
}

interface BodyProps {
  readonly id: string;
  readonly state: ListState;
  readonly columns: readonly ShownColumn[];
  readonly template: string;
  readonly active: number;
  hrefOf(row: Row): string;
  onActive(place: number): void;
}

function GridBody({ id, state, columns, template, active, hrefOf, onActive }: BodyProps) {
  const { from, rows, total } = state;
  return (
    <div role="rowgroup" class="grid-body" style={{ height: `${total * rowHeight}px` }}>
      {rows.map((row, index) => (
        <GridRow
          key={row.key}
          id={`${id}-${from + index}`}
          row={row}
          place={from + index}
          isActive={from + index === active}
          {...{ columns, template, hrefOf, onActive }}
        />
      ))}
    </div>
  );
}

interface RowProps extends Pick<BodyProps, 'columns' | 'hrefOf' | 'id' | 'onActive' | 'template'> {
  readonly row: Row;
  readonly place: number;
  readonly isActive: boolean;
}

function GridRow({ id, row, place, isActive, columns, template, hrefOf, onActive }: RowProps) {
  // Where a row stands changes with every one before it, what it says seldom: it is moved as it is, neither made nor painted anew.
  const cells = useMemo(
    () => columns.map((column) => <GridCell key={column.name} row={row} column={column} href={hrefOf(row)} />),
    [row, columns],
  );
  return (
    <div
      role="row"
      id={id}
      aria-rowindex={place + 2}
      aria-selected={isActive}
      class={row.deleting ? 'row going' : 'row'}
      style={{ transform: `translateY(${place * rowHeight}px)`, gridTemplateColumns: template }}
      onClick={() => onActive(place)}
    >
      {cells}
    </div>
  );
}

interface CellProps {
  readonly row: Row;
  readonly column: ShownColumn;
  readonly href: string;
}

function GridCell({ row, column, href }: CellProps) {
  const text = column.since === undefined ? column.text(row) : ageText(column.since(row), now.value);
  const isWarning = row.facts.warning === true || /Err|Back[Oo]ff|Failed|Evicted|OOM|NotReady/.test(text);
  return (
    <div role="gridcell" title={text} class={isWarning ? 'warning' : undefined}>
      {column.name === 'Name' ? (
        <a href={href} tabIndex={-1}>
          {text}
        </a>
      ) : (
        text
      )}
    </div>
  );
}

interface HeadProps {
  readonly columns: readonly ShownColumn[];
  readonly template: string;
  readonly sort: Sort | undefined;
  onSort(sort: Sort): void;
}

function GridHead({ columns, template, sort, onSort }: HeadProps) {
  return (
    <div role="rowgroup" class="grid-head">
      <div role="row" aria-rowindex={1} style={{ gridTemplateColumns: template }}>
        {columns.map((column) => {
          const isSorted = sort?.by === column.sort;
          const order = isSorted ? (sort?.descending === true ? 'descending' : 'ascending') : 'none';
          const descending = isSorted ? sort?.descending !== true : column.sort === 'time';
          return (
            <div key={column.name} role="columnheader" aria-sort={order} title={column.description}>
              <button type="button" onClick={() => onSort({ by: column.sort, descending })}>
                {column.name}
                {isSorted ? <span aria-hidden="true">{order === 'ascending' ? ' ▲' : ' ▼'}</span> : null}
              </button>
            </div>
          );
        })}
      </div>
    </div>
  );
}

function scrollTo(element: HTMLDivElement | null, place: number): void {
  if (element === null) return;
  const begin = place * rowHeight;
  const headHeight = rowHeight;
  if (begin < element.scrollTop) element.scrollTop = begin;
  else if (begin + rowHeight + headHeight > element.scrollTop + element.clientHeight)
    element.scrollTop = begin + rowHeight + headHeight - element.clientHeight;
}

/** The columns of the API server: its ages are of when it was asked, so that they are reckoned here, from the object's times. */
function shownColumns(
  columns: readonly Column[],
  { hasNamespace, isWide, without = [] }: GridProps,
): readonly ShownColumn[] {
  const own = columns.flatMap(({ name, description, priority }, index): readonly ShownColumn[] => {
    if ((priority > 0 && isWide !== true) || without.includes(name)) return [];
    const text = ({ cells }: Row): string => String(cells[index] ?? '');
    const common = { name, description, text };
    if (name === 'Age' || name === 'Created At') return [{ ...common, sort: 'time', since: (row) => row.created }];
    if (name === 'Last Seen') return [{ ...common, sort: 'time', since: (row) => row.time }];
    if (name === 'Name') return [{ ...common, sort: 'name', text: (row) => row.name }];
    return [{ ...common, sort: index }];
  });
  const namespace: ShownColumn = {
    name: 'Namespace',
    description: 'Namespace of the object.',
    sort: 'name',
    text: (row) => row.namespace,
  };
  return hasNamespace ? [namespace, ...own] : own;
}

function countText({ isThere, total, known, expected, problem }: ListState): string {
  if (problem !== '') return problem;
  if (!isThere) return 'Loading …';
  const loading = known < expected ? ` – read ${count(known)} of ${count(expected)}` : '';
  return total === known ? `${count(total)} objects${loading}` : `${count(total)} of ${count(known)} objects${loading}`;
}
