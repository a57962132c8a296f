// All pages, in the order of the navigation. A page is a module that exports
// {title, show(root, params, api)}; name is its part of the address, #/name.
// need is the lowest role that is shown it (viewer where left out), icon one path
// on a grid of 16, key what leads there after g. Pages that are hidden have no
// place in the navigation: the one that they are under is marked.
export const pages = [
  {name: 'overview', title: 'Overview', group: 'Traffic', key: 'o', icon: 'M2 9h2.5l2-6 3 10 2-6H14', load: () => import('./pages/overview.js')},
  {name: 'ledger', title: 'Ledger', group: 'Traffic', key: 'l', icon: 'M3 2.5h10v11H3zM5.5 6h5M5.5 8.5h5M5.5 11h3', load: () => import('./pages/ledger.js')},
  {name: 'request', title: 'Request', hidden: true, under: 'ledger', load: () => import('./pages/request.js')},
  {name: 'spend', title: 'Spend', group: 'Money', key: 's', icon: 'M2.5 13.5V8M6.5 13.5v-11M10.5 13.5v-7M14 13.5H2', load: () => import('./pages/spend.js')},
  {name: 'limits', title: 'Limits', group: 'Money', key: 'b', icon: 'M2 11a6 6 0 1 1 12 0M8 11l3-4', load: () => import('./pages/limits.js')},
  {name: 'keys', title: 'Keys', group: 'Access', key: 'k', icon: 'M5 8.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM7 9.3L13 3.3M10.5 5.8l2 2', load: () => import('./pages/keys.js')},
  {name: 'audit', title: 'Audit log', group: 'Access', key: 'a', icon: 'M8 1.8l5 2v4c0 3-2 5.300-5 6.400-3-1.100-5-3.400-5-6.400v-4zM5.800 8l1.700 1.700L10.500 6.500', load: () => import('./pages/audit.js')},
  {name: 'alerts', title: 'Alerts', group: 'Operation', key: 'e', icon: 'M4 11V7a4 4 0 0 1 8 0v4l1.300 1.500H2.700zM6.700 14.200h2.600', load: () => import('./pages/alerts.js')},
  {name: 'nodes', title: 'Nodes', group: 'Operation', key: 'n', icon: 'M2.500 2.500h11v4h-11zM2.500 9.500h11v4h-11zM5 4.500h.01M5 11.500h.01', load: () => import('./pages/nodes.js')},
  {name: 'providers', title: 'Providers', group: 'Gateway', key: 'p', icon: 'M5 2v4M11 2v4M3.5 6h9v2a4.5 4.5 0 0 1-9 0zM8 12.5V15', load: () => import('./pages/providers.js')},
  {name: 'models', title: 'Models', group: 'Gateway', key: 'm', icon: 'M8 2l5 3v6l-5 3-5-3V5zM3 5l5 3 5-3M8 8v6', load: () => import('./pages/models.js')},
  {name: 'routes', title: 'Routes', group: 'Gateway', key: 'r', icon: 'M3 4h4l3 8h3M10 4h3M3 12h3', load: () => import('./pages/routes.js')},
  {name: 'policies', title: 'Policies', group: 'Gateway', key: 'c', icon: 'M2.5 4.500l1.500 1.500L6.500 3M2.500 10.500L4 12l2.500-3M9 5h5M9 11h5', load: () => import('./pages/policies.js')},
  {name: 'pipelines', title: 'Pipelines', group: 'Work', key: 'f', icon: 'M2 3h4v4H2zM10 3h4v4h-4zM10 10h4v4h-4zM6 5h4M8 5v7h2', load: () => import('./pages/pipelines.js')},
  {name: 'batches', title: 'Batches', group: 'Work', key: 'j', icon: 'M3 3.500h10M3 8h10M3 12.500h6', load: () => import('./pages/batches.js')},
  {name: 'cache', title: 'Cache', group: 'Work', key: 'h', icon: 'M3 4c0-2.700 10-2.700 10 0v8c0 2.700-10 2.700-10 0zM3 4c0 2.700 10 2.700 10 0M3 8c0 2.700 10 2.700 10 0', load: () => import('./pages/cache.js')},
  {name: 'tools', title: 'Tools', group: 'Work', key: 'x', icon: 'M10 2a4 4 0 0 0-3.600 5.600L2 12l2 2 4.400-4.400A4 4 0 0 0 14 6l-2.500 2.500L8.500 6.500 11 4z', load: () => import('./pages/tools.js')},
  {name: 'playground', title: 'Playground', group: 'Work', key: 't', need: 'operator', icon: 'M2 4h12v7H7l-3 3v-3H2z', load: () => import('./pages/playground.js')},
];

export const find = (name) => pages.find((p) => p.name === name);
