/** The kind: habits from tools with a shell. What a shell would act on is refused, and what it would leave alone is left alone. */
import t from 'tap'
import { shellHabitIn, shellHabitOf } from '../../lib/text/shell-habits.js'

t.test('in a text', async (t) => {
  for (const [text, what] of [
    ['npm run build && npm start', 'so && does'], ['a || b', 'so || does'], ['a | b', 'so | does'], ['a; b', 'so ; does'], ['a;', 'so ; does'], ['a &', 'so & does'], ['a&&b', 'so && does'],
    ['node s.js > out.log', '--log-file'], ['node s.js 2>&1', 'so > does'], ['node s.js >>x', 'so >> does'], ['node s.js < in', 'so < does'], ['node s.js < in', 'stdin stays silent'], ['a "b" & c', 'so & does'],
    ['MODE=x node s.js', 'env MODE=x …'], ['  A=1 B=2 node', 'env A=1 …'], ["A='b c' node", 'env A=b c'], ['PATH+=:x node', 'PATH+=:x'], ['MODE=', 'MODE='],
    ['node s.js --port $PORT', 'write {port}, or'], ['node s.js "$PORT"', 'fills in $PORT'], ['node ${HOST}', 'write {host}'], ['node $(pwd)/s.js', 'fills in $(pwd)'], ['node `pwd`', 'fills in `pwd`'], ['node $HOME/s.js', 'fills in $HOME'],
    ['~/bin/s', '~ in ~/bin/s'], ['node ~/s.js', '~ in ~/s.js'], ['node ~me/s.js', '~me'], ['bash -c a && b', 'so && does'], ['bash $X', 'fills in $X'],
  ] as const) t.match(shellHabitIn(text), what, text)
  for (const text of [
    'node server.js', "sh -c 'a && b; $X > y'", 'sh -c "a && b $PORT"', '/bin/bash -c "exec node s.js --port \\"$PORT\\""', 'node "a && b"', "node '$PORT'", 'node \\$PORT', 'node a\\&b', 'node "\\$X"', 'env MODE=x node s.js',
    'node --mode=x', "'MODE=x' node", './A=b', 'node $ 5$ a$', 'node a~ b/~c', 'node #x *.js ?', 'node "a|b"', 'grep -e \'a|b\'', '{port}', '', '"',
  ]) t.equal(shellHabitIn(text), undefined, text)
})

t.test('in words that were split before', async (t) => {
  for (const [words, what] of [
    [['npm', 'run', 'build', '&&', 'npm', 'start'], 'so && does'], [['a', ';', 'b'], 'so ; does'], [['a', '|', 'b'], 'so | does'], [['a', '2>&1'], 'so 2>&1 does'], [['a', '>', 'b'], '--log-file'], [['a', '&'], 'so & does'],
    [['MODE=x', 'node', 's.js'], 'env MODE=x …'], [['node', '$PORT'], 'write {port}'], [['node', '${X_1}'], 'fills in ${X_1}'],
  ] as const) t.match(shellHabitOf(words), what, words.join(' '))
  for (const words of [
    ['sh', '-c', 'a && b'], ['sh', '-c', '$CMD'], ['/bin/bash', '-c', 'a', '&&'], ['node', 'a && b'], ['node', 'http://x/?a=1&b=2'], ['node', '--x=$PORT'], ['node', '-e', 'a => $b;'], ['node', 'a=b'], ['./a=b'], ['env', 'A=b', 'node'], ['node', '->'], ['&&'], [],
  ]) t.equal(shellHabitOf(words), undefined, words.join(' '))
  t.match(shellHabitOf(['MODE=x', 'npm', 'test'], true), 'env MODE=x')
  t.match(shellHabitOf(['npm', 'run', 'a', '&&', 'npm'], true), 'so && does')
  for (const words of [['find', '.', '-exec', 'rm', '{}', ';'], ['expr', '1', '|', '2'], ['test', 'a', '<', 'b'], ['echo', '$PORT']]) t.equal(shellHabitOf(words, true), undefined, 'a client may ask for it')
})
