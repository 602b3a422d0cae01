/**
 * A 16550A serial port. What is written to it leaves at once; what its host gives waits until the guest reads it, at most `INPUT_MAX` bytes, and
 * what does not fit stays with the host. Source: National Semiconductor PC16550D data sheet.
 */
import { UART_BASE, UART_INTERRUPT } from '../memory-map.ts';
import { type Plain, type PlainReader, plainBytes } from '../plain-state.ts';
import type { Device, Lines } from './device.ts';

/** Bytes of input kept for a guest that does not read: a screenful. */
export const INPUT_MAX = 4096;
const ENABLE_INPUT = 1;
const ENABLE_EMPTY = 2;

/** The serial port; `output` is told every byte. */
export class Uart implements Device {
  readonly base = UART_BASE;
  readonly size = 0x100;
  readonly due = Infinity;
  private readonly lines: Lines;
  private readonly output: (byte: number) => void;
  private input: number[] = [];
  private enabled = 0;
  private lineControl = 0;
  private modemControl = 0;
  private scratch = 0;
  private divisor = 0;
  private fifo = 0;
  /** It is the console that the guest wrote to last: whoever reads there types there. */
  isSpoken = false;
  /** The transmitter became empty and the guest was not told yet. */
  private isEmptyDue = false;

  constructor(lines: Lines, output: (byte: number) => void) {
    this.lines = lines;
    this.output = output;
  }

  /** Says how many of the bytes it took. */
  give(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, INPUT_MAX - this.input.length);
    this.input.push(...taken);
    this.update();
    return taken.length;
  }

  process(): void {}

  load(offset: number): number {
    const isDivisor = (this.lineControl & 0x80) !== 0;
    switch (offset) {
      case 0:
        return isDivisor ? this.divisor & 0xff : this.read();
      case 1:
        return isDivisor ? this.divisor >> 8 : this.enabled;
      case 2:
        return this.identify();
      case 3:
        return this.lineControl;
      case 4:
        return this.modemControl;
      case 5:
        return 0x60 | (this.input.length > 0 ? 1 : 0);
      case 6:
        return 0xb0;
      case 7:
        return this.scratch;
      default:
        return 0;
    }
  }

  store(offset: number, _size: number, given: number): boolean {
    const value = given & 0xff;
    const isDivisor = (this.lineControl & 0x80) !== 0;
    if (offset === 0 && isDivisor) this.divisor = (this.divisor & 0xff00) | value;
    else if (offset === 0) this.write(value);
    else if (offset === 1 && isDivisor) this.divisor = (this.divisor & 0xff) | (value << 8);
    else if (offset === 1) {
      if ((value & ENABLE_EMPTY) !== 0 && (this.enabled & ENABLE_EMPTY) === 0) this.isEmptyDue = true;
      this.enabled = value & 15;
    } else if (offset === 2) {
      this.fifo = value & 1;
      if ((value & 2) !== 0) this.input = [];
    } else if (offset === 3) this.lineControl = value;
    else if (offset === 4) this.modemControl = value;
    else if (offset === 7) this.scratch = value;
    this.update();
    return true;
  }

  save(): { readonly [name: string]: Plain } {
    const { enabled, lineControl, modemControl, scratch, divisor, fifo, isEmptyDue, isSpoken } = this;
    const input = plainBytes(Uint8Array.from(this.input));
    return { enabled, lineControl, modemControl, scratch, divisor, fifo, isEmptyDue, isSpoken, input };
  }

  restore(state: PlainReader): void {
    this.enabled = state.number('enabled');
    this.lineControl = state.number('lineControl');
    this.modemControl = state.number('modemControl');
    this.scratch = state.number('scratch');
    this.divisor = state.number('divisor');
    this.fifo = state.number('fifo');
    this.isEmptyDue = state.flag('isEmptyDue');
    this.isSpoken = state.flag('isSpoken', false);
    this.input = [...state.bytes('input')];
  }

  private read(): number {
    const byte = this.input.shift() ?? 0;
    this.update();
    return byte;
  }

  private write(byte: number): void {
    if ((this.modemControl & 0x10) !== 0) {
      if (this.input.length < INPUT_MAX) this.input.push(byte);
    } else {
      this.isSpoken = true;
      this.output(byte);
    }
    this.isEmptyDue = true;
  }

  private identify(): number {
    const fifo = this.fifo === 1 ? 0xc0 : 0;
    if ((this.enabled & ENABLE_INPUT) !== 0 && this.input.length > 0) return fifo | 4;
    if ((this.enabled & ENABLE_EMPTY) !== 0 && this.isEmptyDue) {
      this.isEmptyDue = false;
      this.update();
      return fifo | 2;
    }
    return fifo | 1;
  }

  private update(): void {
    const hasInput = (this.enabled & ENABLE_INPUT) !== 0 && this.input.length > 0;
    this.lines.setLine(UART_INTERRUPT, hasInput || ((this.enabled & ENABLE_EMPTY) !== 0 && this.isEmptyDue));
  }
}
