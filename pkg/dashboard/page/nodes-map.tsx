/**
 * The nodes as squares: on the left of each the share of its CPU that is taken, on the right that of its memory, and above the lower of both, hatched, what is stranded. Drawn on one
 * canvas, as thousands of elements would cost the page more than all else. By keyboard it is one stop: arrows go from node to node, and the node is said.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import { type NodeState, sharesOf, strandedOf } from './nodes-model.ts';
import { isDark } from './theme.tsx';

interface MapProps {
  readonly nodes: readonly NodeState[];
  readonly selected: string;
  readonly describe: (node: NodeState) => string;
  onSelect(name: string): void;
}

/** Sides of a square in pixels: large where there are few nodes. */
const sides: readonly (readonly [nodesMax: number, side: number])[] = [
  [24, 96],
  [100, 56],
  [400, 36],
  [1_500, 22],
  [Number.POSITIVE_INFINITY, 13],
];
const gap = 2;

/** The map. */
export function NodesMap({ nodes, selected, describe, onSelect }: MapProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(800);
  useEffect(() => {
    const element = frame.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const side = sides.find(([nodesMax]) => nodes.length <= nodesMax)?.[1] ?? 13;
  const columns = Math.max(1, Math.floor(width / (side + gap)));
  const height = Math.ceil(nodes.length / columns) * (side + gap);
  const dark = isDark.value;
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return undefined;
    const request = requestAnimationFrame(() => draw(element, { nodes, selected, side, columns, width, height }));
    return () => cancelAnimationFrame(request);
  }, [nodes, selected, side, columns, width, height, dark]);
  const at = nodes.findIndex(({ name }) => name === selected);
  const onKeyDown = (event: KeyboardEvent): void => {
    const steps: Readonly<Record<string, number>> = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at - columns,
      ArrowDown: at + columns,
      Home: 0,
      End: nodes.length - 1,
    };
    const to = steps[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const node = nodes[Math.min(Math.max(0, to), nodes.length - 1)];
    if (node !== undefined) onSelect(node.name);
  };
  const onClick = ({ offsetX, offsetY }: MouseEvent): void => {
    const place = Math.floor(offsetY / (side + gap)) * columns + Math.floor(offsetX / (side + gap));
    const node = nodes[place];
    if (node !== undefined) onSelect(node.name);
  };
  const chosen = nodes[at];
  const label = chosen === undefined ? 'none is chosen' : describe(chosen);
  return (
    <div ref={frame}>
      <canvas
        ref={canvas}
        role="slider"
        tabIndex={0}
        aria-label="Nodes"
        aria-valuemin={nodes.length === 0 ? 0 : 1}
        aria-valuemax={nodes.length}
        aria-valuenow={at + 1}
        aria-valuetext={label}
        style={{ width: `${width}px`, height: `${height}px` }}
        onClick={onClick}
        onKeyDown={onKeyDown}
      />
    </div>
  );
}

interface Drawing {
  readonly nodes: readonly NodeState[];
  readonly selected: string;
  readonly side: number;
  readonly columns: number;
  readonly width: number;
  readonly height: number;
}

function draw(canvas: HTMLCanvasElement, { nodes, selected, side, columns, width, height }: Drawing): void {
  const scale = devicePixelRatio;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.scale(scale, scale);
  const style = getComputedStyle(document.documentElement);
  const color = (name: string): string => style.getPropertyValue(`--${name}`);
  const colors: Colors = {
    free: color('map-free'),
    cpu: color('map-cpu'),
    memory: color('map-memory'),
    stranded: hatching(context, color('map-stranded')),
    bad: color('map-bad'),
    closed: color('map-closed'),
  };
  for (const [index, node] of nodes.entries()) {
    const x = (index % columns) * (side + gap);
    const y = Math.floor(index / columns) * (side + gap);
    drawNode(context, { node, x, y, side }, colors);
    if (node.name !== selected) continue;
    context.strokeStyle = color('text');
    context.lineWidth = 2;
    context.strokeRect(x - 1, y - 1, side + 2, side + 2);
  }
}

interface Colors {
  readonly free: string;
  readonly cpu: string;
  readonly memory: string;
  readonly stranded: CanvasPattern | string;
  readonly bad: string;
  readonly closed: string;
}

interface Square {
  readonly node: NodeState;
  readonly x: number;
  readonly y: number;
  readonly side: number;
}

function drawNode(context: CanvasRenderingContext2D, { node, x, y, side }: Square, colors: Colors): void {
  const half = side / 2;
  const taken = sharesOf(node);
  const stranded = strandedOf(node);
  context.fillStyle = colors.free;
  context.fillRect(x, y, side, side);
  const bar = (left: number, share: number, lost: number, fill: string): void => {
    context.fillStyle = fill;
    context.fillRect(left, y + side * (1 - share), half, side * share);
    if (lost === 0) return;
    context.fillStyle = colors.stranded;
    context.fillRect(left, y + side * (1 - share - lost), half, side * lost);
  };
  bar(x, taken.cpu, stranded.cpu, colors.cpu);
  bar(x + half, taken.memory, stranded.memory, colors.memory);
  if (node.ready && !node.closed) return;
  // Not by color alone: a cross for what is not ready, a stroke for what takes no new pods.
  context.strokeStyle = node.ready ? colors.closed : colors.bad;
  context.lineWidth = Math.max(1.5, side / 16);
  context.beginPath();
  context.moveTo(x, y + side);
  context.lineTo(x + side, y);
  if (!node.ready) {
    context.moveTo(x, y);
    context.lineTo(x + side, y + side);
  }
  context.stroke();
}

function hatching(context: CanvasRenderingContext2D, color: string): CanvasPattern | string {
  const tile = document.createElement('canvas');
  tile.width = 4;
  tile.height = 4;
  const lines = tile.getContext('2d');
  if (lines === null) return color;
  lines.strokeStyle = color;
  lines.lineWidth = 1.2;
  lines.beginPath();
  lines.moveTo(0, 4);
  lines.lineTo(4, 0);
  lines.stroke();
  return context.createPattern(tile, 'repeat') ?? color;
}
