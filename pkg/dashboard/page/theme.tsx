/** Light or dark: as the system says, until the button says otherwise. */
import { signal } from '@preact/signals';

const key = 'coxswain-theme';
const system = matchMedia('(prefers-color-scheme: dark)');
const chosen = signal(localStorage.getItem(key) ?? '');

/** Whether it is dark now. */
export const isDark = signal(false);

function show(): void {
  isDark.value = chosen.value === '' ? system.matches : chosen.value === 'dark';
  document.documentElement.dataset.theme = isDark.value ? 'dark' : 'light';
}

system.addEventListener('change', show);
show();

/** Turns it over. */
export function ThemeButton() {
  const other = isDark.value ? 'light' : 'dark';
  const change = (): void => {
    chosen.value = other;
    localStorage.setItem(key, other);
    show();
  };
  return (
    <button type="button" onClick={change}>
      {other === 'dark' ? 'Dark' : 'Light'}
    </button>
  );
}
