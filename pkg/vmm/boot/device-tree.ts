/**
 * The flattened device tree that tells a guest what its machine is made of. Pure. Source: Devicetree specification 0.4, chapters 3 and 5; names of
 * nodes and properties as QEMU's `virt` board has them.
 */
import type { MachineShape } from '../machine-contract.ts';
import {
  CLINT_BASE,
  FINISHER_BASE,
  MEMORY_BASE,
  PLIC_BASE,
  TIMEBASE,
  UART_BASE,
  UART_INTERRUPT,
  VIRTIO_BASE,
  VIRTIO_INTERRUPT,
  VIRTIO_SLOTS,
  VIRTIO_STRIDE,
} from '../memory-map.ts';

type Value = string | readonly string[] | readonly number[];

/** A node: properties (numbers are 32-bit cells), then children by name. */
interface Node {
  readonly [name: string]: Value | Node;
}

const PLIC_HANDLE = 0x1000;
const FINISHER_HANDLE = 0x1001;

/** What of a machine's memory is not for its kernel to use as it likes. */
interface TreeLayout {
  /** So many bytes from the start of memory on are the firmware's. */
  readonly firmwareBytes?: number;
  /** Where the initial file system is. */
  readonly initrd?: { readonly start: number; readonly end: number };
}

const region = (base: number, size: number): readonly number[] => [0, base, 0, size];
const isNode = (value: Value | Node): value is Node => typeof value === 'object' && !Array.isArray(value);

function hartNode(id: number): Node {
  return {
    device_type: 'cpu',
    reg: [id],
    status: 'okay',
    compatible: 'riscv',
    'riscv,isa': 'rv64imafdc_zicsr_zifencei_sstc',
    'mmu-type': 'riscv,sv39',
    'interrupt-controller': {
      '#interrupt-cells': [1],
      'interrupt-controller': [],
      compatible: 'riscv,cpu-intc',
      phandle: [id + 1],
    },
  };
}

function devices(harts: readonly number[]): Node {
  const slots = Array.from({ length: VIRTIO_SLOTS }, (_, slot): [string, Node] => {
    const base = VIRTIO_BASE + slot * VIRTIO_STRIDE;
    const interrupts = [VIRTIO_INTERRUPT + slot];
    const node = {
      compatible: 'virtio,mmio',
      reg: region(base, VIRTIO_STRIDE),
      'interrupt-parent': [PLIC_HANDLE],
      interrupts,
    };
    return [`virtio_mmio@${base.toString(16)}`, node];
  });
  return {
    '#address-cells': [2],
    '#size-cells': [2],
    compatible: 'simple-bus',
    ranges: [],
    [`test@${FINISHER_BASE.toString(16)}`]: {
      compatible: ['sifive,test1', 'sifive,test0', 'syscon'],
      reg: region(FINISHER_BASE, 0x1000),
      phandle: [FINISHER_HANDLE],
    },
    [`clint@${CLINT_BASE.toString(16)}`]: {
      compatible: ['sifive,clint0', 'riscv,clint0'],
      reg: region(CLINT_BASE, 0x1_0000),
      'interrupts-extended': harts.flatMap((id) => [id + 1, 3, id + 1, 7]),
    },
    [`plic@${PLIC_BASE.toString(16)}`]: {
      compatible: ['sifive,plic-1.0.0', 'riscv,plic0'],
      reg: region(PLIC_BASE, 0x60_0000),
      '#interrupt-cells': [1],
      '#address-cells': [0],
      'interrupt-controller': [],
      'riscv,ndev': [95],
      'interrupts-extended': harts.flatMap((id) => [id + 1, 11, id + 1, 9]),
      phandle: [PLIC_HANDLE],
    },
    [`serial@${UART_BASE.toString(16)}`]: {
      compatible: 'ns16550a',
      reg: region(UART_BASE, 0x100),
      'clock-frequency': [3_686_400],
      'interrupt-parent': [PLIC_HANDLE],
      interrupts: [UART_INTERRUPT],
    },
    ...Object.fromEntries(slots),
  };
}

/** The firmware's memory is not even mapped: reading ahead into it would fault. */
function reserved(bytes: number): Node {
  return {
    '#address-cells': [2],
    '#size-cells': [2],
    ranges: [],
    [`firmware@${MEMORY_BASE.toString(16)}`]: { reg: region(MEMORY_BASE, bytes), 'no-map': [] },
  };
}

function rootNode(config: MachineShape, { firmwareBytes, initrd }: TreeLayout): Node {
  const harts = Array.from({ length: config.harts }, (_, id) => id);
  const initial: Node =
    initrd === undefined ? {} : { 'linux,initrd-start': [0, initrd.start], 'linux,initrd-end': [0, initrd.end] };
  return {
    '#address-cells': [2],
    '#size-cells': [2],
    compatible: 'riscv-virtio',
    model: 'riscv-virtio,coxswain',
    chosen: { bootargs: config.commandLine, 'stdout-path': `/soc/serial@${UART_BASE.toString(16)}`, ...initial },
    ...(firmwareBytes === undefined ? {} : { 'reserved-memory': reserved(firmwareBytes) }),
    [`memory@${MEMORY_BASE.toString(16)}`]: { device_type: 'memory', reg: region(MEMORY_BASE, config.memory) },
    cpus: {
      '#address-cells': [1],
      '#size-cells': [0],
      'timebase-frequency': [TIMEBASE],
      ...Object.fromEntries(harts.map((id) => [`cpu@${id}`, hartNode(id)])),
    },
    poweroff: { compatible: 'syscon-poweroff', regmap: [FINISHER_HANDLE], offset: [0], value: [0x5555] },
    reboot: { compatible: 'syscon-reboot', regmap: [FINISHER_HANDLE], offset: [0], value: [0x7777] },
    soc: devices(harts),
  };
}

/** Collects big-endian words and bytes. */
class Writer {
  private readonly parts: number[] = [];

  get length(): number {
    return this.parts.length;
  }

  word(value: number): void {
    this.parts.push((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
  }

  /** Padded to whole words. */
  bytes(bytes: Uint8Array): void {
    for (const byte of bytes) this.parts.push(byte);
    while (this.parts.length % 4 !== 0) this.parts.push(0);
  }

  done(): Uint8Array {
    return Uint8Array.from(this.parts);
  }
}

function valueBytes(value: Value): Uint8Array {
  const writer = new Writer();
  if (typeof value === 'string') return Buffer.from(`${value}\0`);
  const texts = value.filter((item) => typeof item === 'string');
  if (texts.length > 0) return Buffer.from(`${texts.join('\0')}\0`);
  for (const item of value) if (typeof item === 'number') writer.word(item);
  return writer.done();
}

/** The tree of a machine; its length does not depend on addresses. */
export function deviceTree(config: MachineShape, layout: TreeLayout = {}): Uint8Array {
  const structure = new Writer();
  const names = new Map<string, number>();
  let strings = '';
  const nameAt = (name: string): number => {
    const known = names.get(name);
    if (known !== undefined) return known;
    const at = strings.length;
    names.set(name, at);
    strings += `${name}\0`;
    return at;
  };
  const writeNode = (name: string, node: Node): void => {
    structure.word(1);
    structure.bytes(Buffer.from(`${name}\0`));
    for (const [key, value] of Object.entries(node)) {
      if (isNode(value)) continue;
      const bytes = valueBytes(value);
      structure.word(3);
      structure.word(bytes.length);
      structure.word(nameAt(key));
      structure.bytes(bytes);
    }
    for (const [key, value] of Object.entries(node)) if (isNode(value)) writeNode(key, value);
    structure.word(2);
  };
  writeNode('', rootNode(config, layout));
  structure.word(9);
  return assemble(structure.done(), Buffer.from(strings));
}

function assemble(structure: Uint8Array, strings: Uint8Array): Uint8Array {
  const header = 40;
  const reservations = 16;
  const writer = new Writer();
  const total = header + reservations + structure.length + strings.length;
  const stringsAt = header + reservations + structure.length;
  const words = [
    0xd00d_feed,
    total,
    header + reservations,
    stringsAt,
    header,
    17,
    16,
    0,
    strings.length,
    structure.length,
  ];
  for (const word of [...words, 0, 0, 0, 0]) writer.word(word);
  writer.bytes(structure);
  writer.bytes(strings);
  return writer.done();
}
