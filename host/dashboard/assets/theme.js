// Runs before anything is painted, so that a chosen scheme does not flash.
try {
  const chosen = localStorage.getItem('signalbox.theme');
  if (chosen === 'dark' || chosen === 'light') document.documentElement.dataset.theme = chosen;
} catch {
  // Where nothing may be kept, the system's scheme holds.
}
