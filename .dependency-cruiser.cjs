/**
 * The layers as rules: a folder of src imports itself and the doors (index.ts) of lower rows.
 *
 * The rows live in scripts/layers.json; docs/DESIGN.md shows the same table, held true by a test.
 */
const layers = require('./scripts/layers.json');

const insideOf = (folders) => `^src/(${folders.join('|')})/`;

const rowRules = layers.map(({ row, folder, knows }) => ({
  name: `row-of-${folder}`,
  comment: `src/${folder} knows ${knows}. It imports itself and lower rows, never its own row or above.`,
  severity: 'error',
  from: { path: insideOf([folder]) },
  to: {
    path: [
      insideOf(layers.filter((other) => other.row >= row && other.folder !== folder).map((other) => other.folder)),
      '^src/index\\.ts$',
    ].filter((pattern) => pattern !== '^src/()/'),
  },
}));

/** check judges what transaction and filesystem wrote, so it must not repeat their mistakes. */
const checkStandsApart = {
  name: 'check-stands-apart',
  comment:
    'check reads through volume, format and read-only tree, so that it shares no mistake with the writer it judges.',
  severity: 'error',
  from: { path: insideOf(['check']), pathNot: '^src/check/repair\\.ts$' },
  to: { path: insideOf(['transaction', 'filesystem']) },
};

module.exports = {
  forbidden: [
    ...rowRules,
    checkStandsApart,
    {
      name: 'doors-only',
      comment: 'Another folder is entered by its index.ts: what that does not export is private to the folder.',
      severity: 'error',
      from: { path: '^src/([^/]+)/' },
      to: { path: '^src/[^/]+/', pathNot: ['^src/$1/', '^src/[^/]+/index\\.ts$'] },
    },
    {
      name: 'library-door-only-doors',
      comment: 'src/index.ts gathers what the folders offer at their doors.',
      severity: 'error',
      from: { path: '^src/index\\.ts$' },
      to: { path: '^src/[^/]+/', pathNot: '^src/[^/]+/index\\.ts$' },
    },
    {
      name: 'known-folders',
      comment: 'A new folder of src needs its row in scripts/layers.json first.',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: insideOf(layers.map(({ folder }) => folder)) },
      to: {},
    },
    {
      name: 'no-cycles',
      comment: 'Two files that run each other are one file, or lack a port between them. Naming a type is no cycle.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-orphans',
      comment: 'A source file that nobody imports is dead.',
      severity: 'error',
      from: { orphan: true, pathNot: ['^src/index\\.ts$', '^src/cli/main\\.ts$'] },
      to: {},
    },
    {
      name: 'no-undeclared-packages',
      comment: 'The published package brings only what package.json lists under dependencies.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'] },
    },
    {
      name: 'source-needs-no-tests',
      comment: 'What ships does not depend on tests, benchmarks or the demonstration.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(tests|bench|demo|build)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    combinedDependencies: false,
    enhancedResolveOptions: {
      extensions: ['.ts', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
    },
  },
};
