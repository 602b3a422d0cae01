/** Events on a time line, the latest on the right, and below as a list. */
import { useEffect, useState } from 'preact/hooks';
import type { Row } from '../model/protocol.ts';
import { DataGrid } from './data-grid.tsx';
import { type ListModel, openList } from './list-model.ts';
import { Filter, NamespaceChoice } from './list-page.tsx';
import { narrow, objectHref, route } from './route.ts';
import { known } from './session.ts';
import { ageText, count, now } from './words.ts';

/** Events that the time line shows: the latest. */
const shownMax = 500;
const width = 1_000;
const laneHeight = 22;
/** Lanes: the reasons that most events have; what is left shares the last. */
const lanesMax = 8;

/** The page. */
export function EventsPage() {
  const { ns = '', text = '' } = route.value.params;
  const query = { resource: known.events, namespace: ns, text };
  return (
    <div class="page">
      <h1>Events</h1>
      <search class="filters">
        <NamespaceChoice value={ns} onChange={(value) => narrow({ ns: value })} />
        <Filter label="About or says" value={text} onChange={(value) => narrow({ text: value })} />
      </search>
      <TimeLine query={query} />
      <DataGrid
        label="Events"
        query={query}
        sortAtFirst={{ by: 'time', descending: true }}
        hasNamespace
        hrefOf={(row) => objectHref(known.events, row.namespace, row.name)}
        onOpen={(row) => {
          location.hash = objectHref(known.events, row.namespace, row.name);
        }}
      />
    </div>
  );
}

type EventsQuery = { readonly resource: typeof known.events; readonly namespace: string; readonly text: string };

function TimeLine({ query }: { readonly query: EventsQuery }) {
  const [model, setModel] = useState<ListModel>();
  useEffect(() => {
    const opened = openList({
      kind: 'list',
      ...query,
      sort: { by: 'time', descending: true },
      from: 0,
      count: shownMax,
    });
    setModel(opened);
    return () => opened.view.close();
  }, [JSON.stringify(query)]);
  const state = model?.state.value;
  if (state === undefined || state.rows.length === 0) return null;
  const reasonAt = state.columns.findIndex(({ name }) => name === 'Reason');
  return <Lanes rows={state.rows} reasonAt={reasonAt} total={state.total} />;
}

interface LanesProps {
  readonly rows: readonly Row[];
  readonly reasonAt: number;
  readonly total: number;
}

function Lanes({ rows, reasonAt, total }: LanesProps) {
  const reasonOf = ({ cells }: Row): string => String(cells[reasonAt] ?? '');
  const counts = Map.groupBy(rows, reasonOf);
  const most = [...counts].sort(([, a], [, b]) => b.length - a.length).map(([reason]) => reason);
  const lanes = most.length <= lanesMax ? most : [...most.slice(0, lanesMax - 1), 'others'];
  const endMs = Math.max(now.value, rows[0]?.time ?? 0);
  const beginMs = Math.min(endMs - 10_000, rows.at(-1)?.time ?? endMs);
  const placeOf = (timeMs: number): number => 130 + ((width - 140) * (timeMs - beginMs)) / (endMs - beginMs);
  const laneOf = (row: Row): number => {
    const lane = lanes.indexOf(reasonOf(row));
    return lane < 0 ? lanes.length - 1 : lane;
  };
  const height = lanes.length * laneHeight + 20;
  const warnings = rows.filter(({ facts }) => facts.warning).length;
  const label = `Time line of the latest ${rows.length} of ${total} events: ${warnings} warnings in the last ${ageText(beginMs, endMs)}`;
  const marks = [0, 0.25, 0.5, 0.75, 1].map((share) => beginMs + share * (endMs - beginMs));
  return (
    <svg class="timeline" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      {lanes.map((reason, lane) => (
        <g key={reason}>
          <line x1={130} x2={width - 10} y1={(lane + 0.5) * laneHeight} y2={(lane + 0.5) * laneHeight} />
          <text x={4} y={(lane + 0.5) * laneHeight + 4}>
            {reason.slice(0, 20)} {count(rows.filter((row) => laneOf(row) === lane).length)}
          </text>
        </g>
      ))}
      {marks.map((timeMs) => (
        <text
          key={timeMs}
          class="tick"
          x={placeOf(timeMs)}
          y={height - 4}
          text-anchor={timeMs === endMs ? 'end' : 'middle'}
        >
          {timeMs === endMs ? 'now' : `${ageText(timeMs, endMs)} ago`}
        </text>
      ))}
      {rows.map((row) => {
        const [x, y] = [placeOf(row.time), (laneOf(row) + 0.5) * laneHeight];
        return row.facts.warning ? (
          <path key={row.key} class="warning-mark" d={`M${x - 6} ${y + 5} L${x} ${y - 6} L${x + 6} ${y + 5} Z`} />
        ) : (
          <circle key={row.key} cx={x} cy={y} r={4} />
        );
      })}
    </svg>
  );
}
