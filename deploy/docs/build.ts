/** `npm run docs [folder]`: makes the documentation a site, in `dist/site` unless a folder is given. */
import process from 'node:process';
import { buildSite } from './site.ts';

const [folder = 'dist/site'] = process.argv.slice(2);
const pages = await buildSite(folder);
process.stdout.write(`${pages} pages in ${folder}\n`);
