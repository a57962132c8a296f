// Written by go test ./plugins/routes -run TestFit -update; do not edit.
const WEIGHTS: [f64; 16] = [
    -3.102,
    0.946,
    0.180,
    -1.415,
    0.713,
    -0.356,
    0.492,
    0.572,
    0.393,
    -0.017,
    -0.996,
    0.462,
    -0.311,
    0.024,
    1.571,
    -0.194,
];
