/** What is published: it is packed, installed elsewhere and loaded both ways, and its reference knows all of it. */
'use strict'

const assert = require('node:assert/strict')
const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const test = require('node:test')

const ROOT = path.join(__dirname, '..')
const PACKAGE = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'))
const SUBPATHS = Object.keys(PACKAGE.exports).filter((name) => name !== './package.json').map((name) => `metlog${name.slice(1)}`)

test('the package, installed', (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'metlog-pack-'))
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }))
  const [{ filename, files }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: ROOT, stdio: ['ignore', 'pipe', 'ignore'] }))
  const names = files.map((file) => file.path)
  for (const name of ['README.md', 'API.md', 'MIGRATING.md', 'LICENSE-MIT', 'LICENSE-APACHE', 'lib/browser.mjs']) assert.ok(names.includes(name), name)
  assert.ok(!names.some((name) => /test|benchmark|eslint/.test(name)), names.join())
  fs.writeFileSync(path.join(folder, 'package.json'), '{}')
  execFileSync('npm', ['install', '--offline', '--no-audit', '--no-fund', path.join(folder, filename)], { cwd: folder, stdio: 'ignore' })
  const imports = `${SUBPATHS.map((name, n) => `import * as m${n} from '${name}'`).join('\n')}
    console.log(JSON.stringify([${SUBPATHS.map((_, n) => `Object.keys(m${n})`)}]))`
  const exported = JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', imports], { cwd: folder }))
  assert.ok(exported.every((keys) => keys.length > 0))
  const required = SUBPATHS.filter((name) => name !== 'metlog/browser').map((name) => `require('${name}')`)
  execFileSync(process.execPath, ['-e', required.join('\n')], { cwd: folder })
  const reference = fs.readFileSync(path.join(ROOT, 'API.md'), 'utf8')
  for (const [n, name] of SUBPATHS.entries()) {
    assert.ok(reference.includes(`\`'${name}'\``) || name === 'metlog', name)
    // Those that name what is loaded as a whole.
    for (const key of exported[n].filter((one) => !['default', 'module.exports'].includes(one))) assert.match(reference, new RegExp(`\\b${key}\\b`), `${name}: ${key}`)
  }
})

test('the README knows all keys of the configuration', () => {
  const readme = fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8')
  const { ConfigError, Client } = require('../lib/index.js')
  assert.throws(
    () => new Client({ nonsense: 1 }),
    (error) => {
      const keys = error.message.split('the keys are ')[1].split(', ')
      for (const key of keys) assert.ok(readme.includes(`\`${key}\``), key)
      return error instanceof ConfigError && keys.length > 10
    }
  )
})
