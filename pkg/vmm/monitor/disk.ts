/**
 * A disk of 64 sectors that moves a sector by 128 words through a register, as the oldest disks of PCs did. Registers, of 4 bytes each: 0 the sector, 4 what to do (1: have the sector read, 2: write what was given),
 * 8 how it went (1 done, 2 refused; to be read), 16 the next word of the sector, to be read or written. A new sector or command begins at its first word.
 */

/** Bytes of a sector. */
export const SECTOR_BYTES = 512;
const SECTORS = 64;
const SECTOR = 0;
const COMMAND = 4;
const STATUS = 8;
const DATA = 16;
const READ = 1;
const WRITE = 2;
/** How a command or a request ended. */
export const DONE = 1;
/** The other way. */
export const REFUSED = 2;

/** The disk of one machine. */
export class Disk {
  private readonly bytes = new Uint8Array(SECTORS * SECTOR_BYTES);
  private readonly buffer = new DataView(new ArrayBuffer(SECTOR_BYTES));
  private readonly onMoved: () => void;
  private sector = 0;
  private position = 0;
  private status = DONE;

  constructor(onMoved: () => void) {
    this.onMoved = onMoved;
  }

  /** A sector's bytes; undefined where there is none. */
  read(sector: number): Uint8Array | undefined {
    if (!(sector < SECTORS)) return undefined;
    this.onMoved();
    return this.bytes.slice(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
  }

  /** False where there is no such sector. */
  write(sector: number, bytes: Uint8Array): boolean {
    if (!(sector < SECTORS)) return false;
    this.onMoved();
    this.bytes.set(bytes, sector * SECTOR_BYTES);
    return true;
  }

  load(register: number, size: number): number | undefined {
    if (size !== 4) return undefined;
    if (register === STATUS) return this.status;
    return register === DATA ? this.buffer.getInt32(this.step(), true) : undefined;
  }

  store(register: number, size: number, value: number): boolean {
    if (size !== 4) return false;
    if (register === SECTOR) {
      this.sector = value >>> 0;
      this.position = 0;
    } else if (register === COMMAND) this.command(value);
    else if (register === DATA) this.buffer.setInt32(this.step(), value, true);
    else return false;
    return true;
  }

  private step(): number {
    const at = this.position;
    this.position = (at + 4) % SECTOR_BYTES;
    return at;
  }

  private command(value: number): void {
    this.position = 0;
    const own = new Uint8Array(this.buffer.buffer);
    const read = value === READ ? this.read(this.sector) : undefined;
    if (read !== undefined) own.set(read);
    const isDone = read !== undefined || (value === WRITE && this.write(this.sector, own));
    this.status = isDone ? DONE : REFUSED;
  }
}
