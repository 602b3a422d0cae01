/**
 * The site: the pages of `docs/`, put into a layout by Eleventy, and the reference, which is read from the code when the site is made (`reference.ts`), so that it is never of another version. Links between
 * pages are those of the repository; Eleventy turns them into those of the site.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Eleventy, InputPathToUrlTransformPlugin } from '@11ty/eleventy';
import { type ReferencePage, referencePages } from './reference.ts';

const root = join(import.meta.dirname, '..', '..');
const layout = 'layout.njk';

interface Link {
  readonly title: string;
  /** As a page of the repository, from the root of the site. */
  readonly path: string;
  readonly url: string;
}

/** Writes the site; resolves to the number of its pages. */
export async function buildSite(folder: string): Promise<number> {
  const reference = await referencePages();
  const parts = [
    { name: 'Course', pages: linksOf('course') },
    { name: 'Labs', pages: linksOf('labs') },
    { name: 'How to', pages: linksOf('.') },
    { name: 'Reference', pages: reference.map(referenceLink) },
  ].filter(({ pages }) => pages.length > 0);
  const site = new Eleventy('docs', resolve(root, folder), {
    quietMode: true,
    configPath: false,
    config(settings) {
      settings.setIncludesDirectory('../deploy/docs');
      settings.addPlugin(InputPathToUrlTransformPlugin);
      settings.addPassthroughCopy('docs/images');
      // A page is a folder of its own there, a level below where it is in the repository.
      settings.addTransform('images', (content) => content.replaceAll(/ src="(?:\.\.\/)*images\//g, ' src="/images/'));
      settings.addGlobalData('layout', layout);
      settings.addGlobalData('parts', parts);
      settings.addGlobalData('eleventyComputed', {
        permalink: ({ page }: { readonly page: { readonly inputPath: string } }) => urlOf(page.inputPath),
        heading: ({ title, page }: { readonly title?: string; readonly page: { readonly inputPath: string } }) =>
          title ?? headingOf(page.inputPath),
      });
      for (const { name, title, text } of reference) settings.addTemplate(`reference/${name}.md`, text, { title });
      return { markdownTemplateEngine: false };
    },
  });
  process.chdir(root);
  await site.write();
  return parts.flatMap(({ pages }) => pages).length;
}

/** The pages of a folder of `docs/`, its README first. */
function linksOf(folder: string): readonly Link[] {
  let names: readonly string[];
  try {
    names = readdirSync(join(root, 'docs', folder));
  } catch {
    return [];
  }
  return names
    .filter((name) => name.endsWith('.md'))
    .toSorted((a, b) => Number(b === 'README.md') - Number(a === 'README.md') || a.localeCompare(b))
    .map((name) => {
      const path = join('docs', folder, name);
      return { title: headingOf(path), path: urlOf(path), url: urlOf(path) };
    });
}

function referenceLink({ name, title }: ReferencePage): Link {
  const url = `/reference/${name}/`;
  return { title, path: url, url };
}

/** `docs/course/01-pods.md` is `/course/01-pods/`, a README its folder's page. */
function urlOf(path: string): string {
  const inside = path.replace(/^\.?\/?docs\//, '').replace(/\.md$/, '');
  return `/${inside}/`.replace(/\/README\/$/, '/');
}

function headingOf(path: string): string {
  const full = join(root, path);
  const text = existsSync(full) ? readFileSync(full, 'utf8') : '';
  return /^# (.+)$/m.exec(text)?.[1] ?? path;
}
