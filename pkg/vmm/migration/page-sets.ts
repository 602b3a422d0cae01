/** Which pages of a machine are sent when. */
import type { Machine } from '../machine-contract.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import type { LinkMode, MigrationMode } from './contract.ts';

/** Whether the machine runs while pages of it are sent. */
export function isLive(mode: LinkMode): boolean {
  return mode !== 'suspend' && mode !== 'cold';
}

/** What is sent while the machine runs, before what it writes meanwhile: of a post-copy only the code that it runs most. */
export function firstPages(machine: Machine, mode: MigrationMode): readonly number[] {
  switch (mode) {
    case 'pre-copy':
    case 'hybrid':
      return allPages(machine);
    case 'post-copy':
      return codePages(machine);
    case 'suspend':
    case 'cold':
      return [];
    default:
      return mode satisfies never;
  }
}

/** Pages that were written since the machine was made. */
export function writtenPages(machine: Machine): readonly number[] {
  return allPages(machine).filter((page) => !machine.isBlank(page));
}

function allPages({ pages }: Machine): readonly number[] {
  return Array.from({ length: pages }, (_, page) => page);
}

/** Pages with code that was compiled, ascending. */
function codePages(machine: Machine): readonly number[] {
  const pages = new Set(machine.hotPlaces().map((place) => Math.floor(place / PAGE_SIZE)));
  return [...pages].sort((a, b) => a - b);
}
