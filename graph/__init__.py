"""DECIDE: the state machine of an investigation, and the judgement between hypotheses."""
