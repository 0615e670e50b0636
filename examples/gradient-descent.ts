/** A function of one's own on arrays: Rosenbrock's valley, and the way down it with Adam. `npm start -- gradient-descent` */
import { compile, valueAndGradient } from 'nabla';
import { adam } from 'nabla/optimizers';

// (1 − x)² + 100(y − x²)², traced once, differentiated and compiled; its least value is 0 at (1, 1).
const rosenbrock = valueAndGradient((point) => {
  const [x, y] = [point.slice(0, 0, 1), point.slice(0, 1, 2)];
  return x.negate().add(1).square().add(y.subtract(x.square()).square().multiply(100)).sum();
});

const theta = Float64Array.of(-1.2, 1);
const step = adam({ learningRate: 0.05 }).start(theta);
for (let i = 0; i <= 1000; i++) {
  const { value, gradients } = rosenbrock(theta);
  if (i % 250 === 0) console.log(`step ${i}: f(${theta[0]!.toFixed(3)}, ${theta[1]!.toFixed(3)}) = ${value.toExponential(2)}`);
  step.update(Float64Array.from(gradients[0]!.values));
}

// Distances between all pairs of points, without a loop.
const distances = compile((a, b) =>
  a
    .reshape([3, 1, 2])
    .subtract(b.reshape([1, 2, 2]))
    .square()
    .sum(-1)
    .sqrt(),
);
const { values, shape } = distances(
  [
    [0, 0],
    [3, 4],
    [6, 8],
  ],
  [
    [0, 0],
    [0, 4],
  ],
);
console.log(`distances [${shape.join(', ')}]:`, Array.from(values, (d) => d.toFixed(2)).join(' '));
