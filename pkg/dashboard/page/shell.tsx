/** The frame of all views: where one can go, who one is, and the view. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ResourceInfo } from '../model/protocol.ts';
import { EventsPage } from './events-page.tsx';
import { ListPage } from './list-page.tsx';
import { isConnected } from './live.ts';
import { MachinesPage } from './machines-page.tsx';
import { NodesPage } from './nodes-page.tsx';
import { ObjectPage } from './object-page.tsx';
import { RolloutsPage } from './rollouts-page.tsx';
import { hrefOf, listHref, route } from './route.ts';
import { RunsPage } from './runs-page.tsx';
import { known, resources, session, signOut } from './session.ts';
import { ThemeButton } from './theme.tsx';
import { TimeControl } from './time.tsx';

interface Place {
  readonly label: string;
  readonly href: string;
}

const places: readonly Place[] = [
  { label: 'Nodes and packing', href: hrefOf('nodes') },
  { label: 'Rollouts', href: hrefOf('rollouts') },
  { label: 'Events', href: hrefOf('events') },
  { label: 'Virtual machines', href: hrefOf('machines') },
  { label: 'Pipelines', href: hrefOf('runs') },
  { label: 'Pods', href: listHref(known.pods) },
];

/** The frame. */
export function Shell() {
  const main = useRef<HTMLElement>(null);
  const { page, words } = route.value;
  const view = [page, ...words].join('/');
  const isFirst = useRef(true);
  useEffect(() => {
    // Who reads by ear is led to what is new.
    if (isFirst.current) isFirst.current = false;
    else main.current?.focus();
    document.title = `${titleOf(page, words)} – Coxswain`;
  }, [view]);
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        To the content
      </button>
      <header>
        <strong>Coxswain</strong>
        <span class="quiet">{session.value?.cluster}</span>
        <TimeControl />
        <span class="grow" />
        <span role="status" class="problem">
          {isConnected.value ? '' : 'No connection to the dashboard: trying again …'}
        </span>
        <span>{session.value?.user?.name}</span>
        <ThemeButton />
        <button type="button" onClick={() => void signOut()}>
          Sign out
        </button>
      </header>
      <Navigation view={view} />
      <main id="main" tabIndex={-1} ref={main} key={view}>
        <View page={page} />
      </main>
    </div>
  );
}

function titleOf(page: string, words: readonly string[]): string {
  if (page === 'list') return words[2] ?? '';
  if (page === 'object') return words[4] ?? '';
  return places.find(({ href }) => href === hrefOf(page))?.label ?? '';
}

function View({ page }: { readonly page: string }) {
  switch (page) {
    case 'nodes':
      return <NodesPage />;
    case 'rollouts':
      return <RolloutsPage />;
    case 'events':
      return <EventsPage />;
    case 'machines':
      return <MachinesPage />;
    case 'runs':
      return <RunsPage />;
    case 'list':
      return <ListPage />;
    case 'object':
      return <ObjectPage />;
    default:
      return <p>There is no such view.</p>;
  }
}

function Navigation({ view }: { readonly view: string }) {
  const [wanted, setWanted] = useState('');
  const shown = resources.value.filter(({ kind, group }) =>
    `${kind} ${group}`.toLowerCase().includes(wanted.toLowerCase()),
  );
  const sorted = shown.toSorted((a, b) => (a.kind < b.kind ? -1 : 1));
  return (
    <nav aria-label="Views">
      <ul>
        {places.map((place) => (
          <NavigationItem key={place.href} place={place} view={view} />
        ))}
      </ul>
      <h2 id="resources">Resources</h2>
      <input
        type="search"
        aria-label="Find a resource"
        placeholder="Find a resource"
        value={wanted}
        onInput={(event) => setWanted(event.currentTarget.value)}
      />
      <ul aria-labelledby="resources">
        {sorted.map((resource) => (
          <NavigationItem key={listHref(resource)} place={placeOf(resource)} view={view} />
        ))}
      </ul>
    </nav>
  );
}

function placeOf(resource: ResourceInfo): Place {
  const isAmbiguous = resources.value.filter(({ kind }) => kind === resource.kind).length > 1;
  return {
    label: isAmbiguous ? `${resource.kind} (${resource.group || 'core'})` : resource.kind,
    href: listHref(resource),
  };
}

function NavigationItem({ place, view }: { readonly place: Place; readonly view: string }) {
  const isHere = place.href === `#/${view}`;
  return (
    <li>
      <a href={place.href} aria-current={isHere ? 'page' : undefined}>
        {place.label}
      </a>
    </li>
  );
}
