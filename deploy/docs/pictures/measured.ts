/** The pictures of the course and the labs, each drawn of runs that are made for it. They are made of counts and of virtual time, so they are the same bytes each time: `tests/course` holds the files to them. */
import { packingPicture } from './packing.ts';
import { pageTablesPicture } from './page-tables.ts';
import { modesComparedPicture, roundsPicture } from './rounds.ts';
import { measureWays, trapsPicture, walksPicture } from './ways.ts';

/** The files of `docs/images` by their names. */
export function measuredPictures(): ReadonlyMap<string, string> {
  const ways = measureWays();
  return new Map([
    ['page-tables.svg', pageTablesPicture()],
    ['traps.svg', trapsPicture(ways)],
    ['page-walks.svg', walksPicture(ways)],
    ['rounds-seldom.svg', roundsPicture('Pre-copy of a guest that writes seldom', 2000)],
    ['rounds-often.svg', roundsPicture('Pre-copy of a guest that writes as fast as is sent, and is slowed down', 400)],
    ['modes.svg', modesComparedPicture('A guest that writes seldom, moved by each mode', 2000)],
    ['packing.svg', packingPicture()],
  ]);
}
