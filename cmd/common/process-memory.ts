/** The memory of a process as what returns it sees it; tests have another. */

/** The memory of a process. */
export interface ProcessMemory {
  residentBytes(): number;
  /** Share of the time since the last call that the process was busy: its own thread, or all where others do much. */
  busyShare(): number;
  /** Gives back what is free, with a pause for finding out what that is. */
  release(): void;
  /** Gives back what the C library has that is free. */
  trim(): void;
  /** Lets the heap grow by less than usual before it is collected, or by as much as usual again. */
  collectSooner(isSooner: boolean): void;
  /** Lets go of pages of files, if there are many. */
  unmapFiles(): void;
}
