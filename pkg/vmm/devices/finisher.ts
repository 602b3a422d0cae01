/** The test finisher, by which a guest switches itself off or asks to be started again. Source: QEMU, hw/misc/sifive_test. */
import { FINISHER_BASE } from '../memory-map.ts';
import type { Plain, PlainReader } from '../plain-state.ts';
import type { Device } from './device.ts';

const PASS = 0x5555;
const FAIL = 0x3333;
const RESET = 0x7777;

/** The finisher. */
export class Finisher implements Device {
  readonly base = FINISHER_BASE;
  readonly size = 0x1000;
  readonly due = Infinity;
  /** What the guest asked for; a machine that is off stays off. */
  asked: 'off' | 'reset' | undefined;
  code = 0;

  process(): void {}

  load(): number {
    return 0;
  }

  store(offset: number, _size: number, value: number): boolean {
    if (offset !== 0) return true;
    const kind = value & 0xffff;
    if (kind === RESET) this.asked = 'reset';
    if (kind === PASS || kind === FAIL) {
      this.asked = 'off';
      this.code = kind === PASS ? 0 : value >>> 16;
    }
    return true;
  }

  save(): { readonly [name: string]: Plain } {
    return { asked: this.asked ?? '', code: this.code };
  }

  restore(state: PlainReader): void {
    const asked = state.text('asked');
    this.asked = asked === 'off' || asked === 'reset' ? asked : undefined;
    this.code = state.number('code');
  }
}
