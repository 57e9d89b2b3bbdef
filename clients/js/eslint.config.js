'use strict'

const js = require('@eslint/js')

module.exports = [
  js.configs.recommended,
  {
    languageOptions: {
      ecmaVersion: 2022,
      globals: Object.fromEntries(
        ['Buffer', 'process', 'performance', 'require', 'module', '__dirname', '__filename', 'setTimeout', 'clearTimeout', 'setImmediate', 'console', 'fetch', 'URL'].map(
          (name) => [name, 'readonly']
        )
      ),
    },
    rules: { eqeqeq: 'error', 'no-var': 'error', 'prefer-const': 'error', 'no-shadow': 'error', strict: ['error', 'global'],
      'no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }] },
  },
  { files: ['**/*.js'], languageOptions: { sourceType: 'commonjs' } },
  { files: ['**/*.mjs'], languageOptions: { sourceType: 'module' }, rules: { strict: 'off' } },
  {
    // What runs in a page.
    files: ['lib/browser.mjs', 'test/browser.test.js'],
    languageOptions: { globals: Object.fromEntries(['document', 'navigator', 'Worker', 'Event', 'Blob', 'TextEncoder', 'crypto'].map((name) => [name, 'readonly'])) },
  },
]
