/** Virtual machines and, where the cluster has the resource, their migrations, as they run. */
import { DataGrid } from './data-grid.tsx';
import { Migrations } from './migrations.tsx';
import { objectHref } from './route.ts';
import { infoOf, known, resources } from './session.ts';

/** The page. */
export function MachinesPage() {
  const shown = resources.value.filter(({ resource }) => resource.startsWith('virtualmachine'));
  return (
    <div class="page scroll">
      <h1>Virtual machines</h1>
      {shown.length === 0 ? (
        <p>
          This cluster has no virtual machines: it has them when it is started with{' '}
          <code>coxswain up --runtime inprocess,vm</code>.
        </p>
      ) : null}
      {infoOf(known.migrations) === undefined ? null : <Migrations />}
      {shown.map((resource) => (
        <section key={resource.resource} class="table">
          <h2>{resource.kind}</h2>
          <DataGrid
            label={resource.kind}
            query={{ resource }}
            hasNamespace={resource.namespaced}
            isWide
            hrefOf={(row) => objectHref(resource, row.namespace, row.name)}
            onOpen={(row) => {
              location.hash = objectHref(resource, row.namespace, row.name);
            }}
          />
        </section>
      ))}
    </div>
  );
}
