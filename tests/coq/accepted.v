From Claims Require Import prelude interval.
Require Import Reals Lra Psatz.
Open Scope R_scope.

(* kinds. S. *)
(* Fractions. *)
Theorem kinds_step1 :
  forall p a b g : R,
  0 < p < 1 ->
  0 < a < 1 ->
  0 < b < 1 ->
  0 <= g <= 1 ->
  forall V : R, V = a * p / (1 - g * (b * (1 - p) + p * (1 - a))) ->
  V * (1 - g * (b * (1 - p) + p * (1 - a))) = a * p.
Proof.
intros p a b g H1 H2 H3 H4 V H5.
assert (0 < p) by (lra).
assert (0 < (1 - p)) by (lra).
assert (0 < a) by (lra).
assert (0 < (1 - a)) by (lra).
assert (0 < b) by (lra).
assert (0 < (1 - b)) by (lra).
assert (0 <= g) by (lra).
assert (0 <= (1 - g)) by (lra).
assert (0 < 1 + a * g * p + b * g * p - b * g - g * p) by (destruct (Rle_lt_dec g (1 / 2)); [ assert (0 < (1 - g)) by (lra); replace (1 + a * g * p + b * g * p - b * g - g * p) with (1 * a * b * (1 - g) * p + 1 * a * b * g * p + 1 * a * b * (1 - g) * (1 - p) + 1 * a * (1 - b) * g * p + 1 * a * (1 - b) * g * (1 - p) + 1 * a * (1 - b) * (1 - g) * p + 1 * a * (1 - b) * (1 - g) * (1 - p) + 1 * (1 - a) * b * (1 - g) * p + 1 * (1 - a) * b * (1 - g) * (1 - p) + 1 * (1 - a) * (1 - b) * g * (1 - p) + 1 * (1 - a) * (1 - b) * (1 - g) * p + 1 * (1 - a) * (1 - b) * (1 - g) * (1 - p)) by field; sum_positive | assert (0 < g) by (lra); replace (1 + a * g * p + b * g * p - b * g - g * p) with (1 * a * b * g * p + 1 * a * b * (1 - g) * p + 1 * a * b * (1 - g) * (1 - p) + 1 * a * (1 - b) * g * p + 1 * a * (1 - b) * g * (1 - p) + 1 * a * (1 - b) * (1 - g) * p + 1 * a * (1 - b) * (1 - g) * (1 - p) + 1 * (1 - a) * b * (1 - g) * p + 1 * (1 - a) * b * (1 - g) * (1 - p) + 1 * (1 - a) * (1 - b) * g * (1 - p) + 1 * (1 - a) * (1 - b) * (1 - g) * p + 1 * (1 - a) * (1 - b) * (1 - g) * (1 - p)) by field; sum_positive ]).
assert (1 - g * (b * (1 - p) + p * (1 - a)) <> 0) by (replace (1 - g * (b * (1 - p) + p * (1 - a))) with ((1) * (1 + a * g * p + b * g * p - b * g - g * p)) by equal; nonzero).
subst; equal.
Qed.

(* Roots. *)
Theorem kinds_step2 :
  forall p z : R,
  0 < p < 1 ->
  (1 + sqrt p) * (sqrt p - 1) = p - 1
  /\ (exp z) = (exp z).
Proof.
intros p z H1.
assert (0 < p) by (lra).
assert (0 < (1 - p)) by (lra).
try pose proof (ln_facts (p) ltac:(positive)).
assert (0 < p) by (first [ lra | nra ]).
assert (0 < p) by (replace (p) with (p) by equal; positive).
pose proof (ln_facts (p) ltac:(assumption)).
assert (W1 : (ln p) = (ln (p))) by (replace (p) with (p) by equal; logs).
try rewrite W1 in *.
assert (W2 : sqrt p = (Rpower (p) ((1 / 2)))) by (apply ln_inv; [ positive | positive | logs ]).
try rewrite W2 in *.
pose proof (exp_facts (z)).
pose proof (exp_facts (z)).
assert (W3 : (exp z) = (exp (z))) by (apply ln_inv; [ positive | positive | logs ]).
try rewrite W3 in *.
assert (R0 : Rpower (p) ((1 / 2)) ^ 2 = p) by (pose proof (root_power (p) 2 ltac:(positive) ltac:(repeat constructor)) as law; replace (INR 2) with 2 in law by (simpl; ring); exact law).
split. { subst; first [ equal | field [R0]; repeat split; nonzero ]. }
subst; first [ equal | field [R0]; repeat split; nonzero ].
Qed.

(* A denominator of either sign. *)
Theorem kinds_step3 :
  forall z : R,
  (z <> 3) ->
  z / (z - 3) - 1 = 3 / (z - 3).
Proof.
intros z H1.
assert (z - 3 <> 0) by (nonzero).
subst; equal.
Qed.

(* Positive at closed ends. *)
Theorem kinds_step4 :
  forall g : R,
  0 <= g <= 1 ->
  1 + g ^ 2 - g > 0.
Proof.
intros g H1.
assert (0 <= g) by (lra).
assert (0 <= (1 - g)) by (lra).
assert (0 < 1 + g ^ 2 - g) by (destruct (Rle_lt_dec g (1 / 2)); [ assert (0 < (1 - g)) by (lra); replace (1 + g ^ 2 - g) with (1 * (1 - g) ^ 2 + 1 * g ^ 2 + 1 * g * (1 - g)) by field; sum_positive | assert (0 < g) by (lra); replace (1 + g ^ 2 - g) with (1 * g ^ 2 + 1 * g * (1 - g) + 1 * (1 - g) ^ 2) by field; sum_positive ]).
try rewrite (gt_iff (1 + g ^ 2 - g) (0) ((1) * (1 + g ^ 2 - g)) (1) ltac:(equal) ltac:(positive)) in *.
subst.
settle.
Qed.

(* A bound from below. *)
Theorem kinds_step5 :
  forall x : R,
  2 <= x ->
  x ^ 2 - 1 - x > 0.
Proof.
intros x H1.
assert (0 <= (x - 2)) by (lra).
assert (0 < x ^ 2 - 1 - x) by (replace (x ^ 2 - 1 - x) with (1 + 1 * (x - 2) ^ 2 + 3 * (x - 2)) by field; sum_positive).
try rewrite (gt_iff (x ^ 2 - 1 - x) (0) ((1) * (x ^ 2 - 1 - x)) (1) ltac:(equal) ltac:(positive)) in *.
subst.
settle.
Qed.

(* Equivalent. *)
Theorem kinds_step6 :
  forall p a b : R,
  0 < p < 1 ->
  0 < a < 1 ->
  0 < b < 1 ->
  (a + b > 1 <-> a * p / (1 - b * (1 - p) - p * (1 - a)) > p).
Proof.
intros p a b H1 H2 H3.
assert (0 < p) by (lra).
assert (0 < (1 - p)) by (lra).
assert (0 < a) by (lra).
assert (0 < (1 - a)) by (lra).
assert (0 < b) by (lra).
assert (0 < (1 - b)) by (lra).
assert (0 < 1 + a * p + b * p - b - p) by (replace (1 + a * p + b * p - b - p) with (1 * a * b * p + 1 * a * (1 - b) * p + 1 * a * (1 - b) * (1 - p) + 1 * (1 - a) * (1 - b) * (1 - p)) by field; sum_positive).
assert (1 - b * (1 - p) - p * (1 - a) <> 0) by (replace (1 - b * (1 - p) - p * (1 - a)) with ((1) * (1 + a * p + b * p - b - p)) by equal; nonzero).
assert (0 < p) by (first [ lra | nra ]).
assert (0 < 1 - p) by (replace (1 - p) with (1 * (1 - p)) by field; sum_positive).
try rewrite (gt_iff (a + b) (1) ((1)) ((a + b - 1)) ltac:(equal) ltac:(positive)) in *.
try rewrite (gt_iff (a * p / (1 - b * (1 - p) - p * (1 - a))) (p) ((1) * p * (1 - p) / ((1 + a * p + b * p - b - p))) ((a + b - 1)) ltac:(equal) ltac:(positive)) in *.
subst.
settle.
Qed.

(* A case each. *)
Theorem kinds_step7 :
  forall z : R,
  ((z > 1 \/ z < (- 1)) -> z ^ 2 > 1).
Proof.
intros z.
try rewrite (gt_iff (z) (1) ((1)) ((z - 1)) ltac:(equal) ltac:(positive)) in *.
try rewrite (lt_iff (z) ((- 1)) ((1)) ((1 + z)) ltac:(equal) ltac:(positive)) in *.
try rewrite (gt_iff (z ^ 2) (1) ((1)) ((z - 1) * (1 + z)) ltac:(equal) ltac:(positive)) in *.
subst.
settle_by ltac:(first [ assert (K0 : 0 < ((z - 1))) by known; assert (0 < ((z - 1) * (1 + z))) by (apply (above_zero ((z - 1) * (1 + z)) (1) (2 * ((z - 1)) + 1 * ((z - 1)) ^ 2) (0)); [ field | sum_positive | sum_positive | reflexivity ]); lra | assert (K0 : ((1 + z)) < 0) by known; assert (0 < (- ((1 + z)))) by (lra); assert (0 < ((z - 1) * (1 + z))) by (apply (above_zero ((z - 1) * (1 + z)) (1) (2 * (- ((1 + z))) + 1 * (- ((1 + z))) ^ 2) (0)); [ field | sum_positive | sum_positive | reflexivity ]); lra ]).
Qed.

(* Both. *)
Theorem kinds_step8 :
  forall p a y : R,
  0 < p < 1 ->
  0 < a < 1 ->
  0 < y ->
  (p > a -> (p + y > a /\ p * y >= a * y)).
Proof.
intros p a y H1 H2 H3.
assert (0 < p) by (lra).
assert (0 < (1 - p)) by (lra).
assert (0 < a) by (lra).
assert (0 < (1 - a)) by (lra).
assert (0 < y) by (lra).
assert (0 < y) by (first [ lra | nra ]).
try rewrite (gt_iff (p) (a) ((1)) ((p - a)) ltac:(equal) ltac:(positive)) in *.
try rewrite (gt_iff (p + y) (a) ((1)) ((p + y - a)) ltac:(equal) ltac:(positive)) in *.
try rewrite (ge_iff (p * y) (a * y) ((1) * y) ((p - a)) ltac:(equal) ltac:(positive)) in *.
subst.
settle_by ltac:(first [ assert (K0 : 0 < ((p - a))) by known; assert (0 < ((p + y - a))) by (apply (above_zero ((p + y - a)) (1) (1 * ((p - a)) + 1 * y) (0)); [ field | sum_positive | sum_positive | reflexivity ]); lra | assert (K0 : 0 < ((p - a))) by known; assert (0 <= ((p - a))) by (apply (not_below_zero ((p - a)) (1) (1 * ((p - a))) (0)); [ field | sum_positive | nonnegative | reflexivity ]); lra ]).
Qed.

(* By products of premises. *)
Theorem kinds_step9 :
  forall p a : R,
  0 < p < 1 ->
  0 < a < 1 ->
  (a + p < 1) ->
  1 - a - p ^ 2 > 0.
Proof.
intros p a H1 H2 H3.
assert (0 < p) by (lra).
assert (0 < (1 - p)) by (lra).
assert (0 < a) by (lra).
assert (0 < (1 - a)) by (lra).
assert (0 < (1 - a - p)) by (lra).
assert (0 < 1 - a - p) by (replace (1 - a - p) with (1 * (1 - a - p)) by field; sum_positive).
assert (0 < 1 - a - p ^ 2) by (replace (1 - a - p ^ 2) with (1 * (1 - a - p) ^ 2 + 1 * a * (1 - a - p) + 2 * p * (1 - a - p) + 1 * p * a) by field; sum_positive).
try rewrite (lt_iff (a + p) (1) ((1) * (1 - a - p)) (- (1)) ltac:(equal) ltac:(positive)) in *.
try rewrite (gt_iff (1 - a - p ^ 2) (0) ((1) * (1 - a - p ^ 2)) (1) ltac:(equal) ltac:(positive)) in *.
subst.
settle.
Qed.

(* By an equation. *)
Theorem kinds_step10 :
  forall p a b : R,
  0 < p < 1 ->
  0 < a < 1 ->
  0 < b < 1 ->
  (b = 1 - p) ->
  (p >= a) ->
  p ^ 2 + a * b >= a.
Proof.
intros p a b H1 H2 H3 H4 H5.
assert (0 < p) by (lra).
assert (0 < (1 - p)) by (lra).
assert (0 < a) by (lra).
assert (0 < (1 - a)) by (lra).
assert (0 < b) by (lra).
assert (0 < (1 - b)) by (lra).
assert (0 <= (p - a)) by (lra).
try rewrite (eq_iff (b) (1 - p) ((1)) ((b + p - 1)) ltac:(equal) ltac:(positive)) in *.
try rewrite (ge_iff (p) (a) ((1)) ((p - a)) ltac:(equal) ltac:(positive)) in *.
try rewrite (ge_iff (p ^ 2 + a * b) (a) ((1)) ((p ^ 2 + a * b - a)) ltac:(equal) ltac:(positive)) in *.
subst.
settle_by ltac:(first [ assert (K0 : ((b + p - 1)) = 0) by known; assert (K1 : 0 <= ((p - a))) by known; assert (0 <= ((p ^ 2 + a * b - a))) by (apply (not_below_zero ((p ^ 2 + a * b - a)) (1) (1 * ((p - a)) * a + 1 * ((p - a)) ^ 2) (1 * ((b + p - 1)) * a)); [ field | sum_positive | nonnegative | rewrite ?K0; ring ]); lra ]).
Qed.

(* By what is not zero. *)
Theorem kinds_step11 :
  forall y z : R,
  0 < y ->
  (z <> 1) ->
  y * (z - 1) ^ 2 > 0.
Proof.
intros y z H1 H2.
assert (0 < y) by (lra).
assert (0 < y) by (first [ lra | nra ]).
assert (0 < (z - 1) ^ 2) by (apply square_positive; lra).
try rewrite (ne_iff (z) (1) ((1)) ((z - 1)) ltac:(equal) ltac:(positive)) in *.
try rewrite (gt_iff (y * (z - 1) ^ 2) (0) ((1) * y * (z - 1) ^ 2) (1) ltac:(equal) ltac:(positive)) in *.
subst.
settle.
Qed.

(* By a premise with a denominator. *)
Theorem kinds_step12 :
  forall p a y : R,
  0 < p < 1 ->
  0 < a < 1 ->
  0 < y ->
  (p / y < a) ->
  p < a * y.
Proof.
intros p a y H1 H2 H3 H4.
assert (0 < p) by (lra).
assert (0 < (1 - p)) by (lra).
assert (0 < a) by (lra).
assert (0 < (1 - a)) by (lra).
assert (0 < y) by (lra).
assert (0 < y) by (first [ lra | nra ]).
assert (y <> 0) by (replace (y) with ((1) * y) by equal; nonzero).
assert (0 < (a * y - p)) by (apply (gt_iff (a) (p / y) ((1) / (y)) (a * y - p) ltac:(equal) ltac:(positive)); lra).
assert (0 < a * y - p) by (replace (a * y - p) with (1 * (a * y - p)) by field; sum_positive).
try rewrite (lt_iff (p / y) (a) ((1) * (a * y - p) / (y)) (- (1)) ltac:(equal) ltac:(positive)) in *.
try rewrite (lt_iff (p) (a * y) ((1) * (a * y - p)) (- (1)) ltac:(equal) ltac:(positive)) in *.
subst.
settle.
Qed.

(* By one with a negative denominator. *)
Theorem kinds_step13 :
  forall p a y : R,
  0 < p < 1 ->
  0 < a < 1 ->
  0 < y ->
  (p / (a - 2) > (- (a / y))) ->
  p * y < 2 * a.
Proof.
intros p a y H1 H2 H3 H4.
assert (0 < p) by (lra).
assert (0 < (1 - p)) by (lra).
assert (0 < a) by (lra).
assert (0 < (1 - a)) by (lra).
assert (0 < y) by (lra).
assert (0 < 2 - a) by (replace (2 - a) with (1 * a + 2 * (1 - a)) by field; sum_positive).
assert (a - 2 <> 0) by (replace (a - 2) with (((- 1)) * (2 - a)) by equal; nonzero).
assert (0 < y) by (first [ lra | nra ]).
assert (y <> 0) by (replace (y) with ((1) * y) by equal; nonzero).
assert (0 < (2 * a - a ^ 2 - p * y)) by (apply (gt_iff (p / (a - 2)) ((- (a / y))) ((1) / ((2 - a) * y)) (2 * a - a ^ 2 - p * y) ltac:(equal) ltac:(positive)); lra).
assert (0 < 2 * a - a ^ 2 - p * y) by (replace (2 * a - a ^ 2 - p * y) with (1 * (2 * a - a ^ 2 - p * y)) by field; sum_positive).
assert (0 < 2 * a - p * y) by (replace (2 * a - p * y) with (1 * (2 * a - a ^ 2 - p * y) + 1 * a ^ 2) by field; sum_positive).
try rewrite (gt_iff (p / (a - 2)) ((- (a / y))) ((1) * (2 * a - a ^ 2 - p * y) / ((2 - a) * y)) (1) ltac:(equal) ltac:(positive)) in *.
try rewrite (lt_iff (p * y) (2 * a) ((1) * (2 * a - p * y)) (- (1)) ltac:(equal) ltac:(positive)) in *.
subst.
settle.
Qed.

(* By what else fails. *)
Theorem kinds_step14 :
  forall p a y : R,
  0 < p < 1 ->
  0 < a < 1 ->
  0 < y ->
  (p <= a \/ p * y > a * y).
Proof.
intros p a y H1 H2 H3.
assert (0 < p) by (lra).
assert (0 < (1 - p)) by (lra).
assert (0 < a) by (lra).
assert (0 < (1 - a)) by (lra).
assert (0 < y) by (lra).
assert (0 < y) by (first [ lra | nra ]).
try rewrite (le_iff (p) (a) ((1)) ((p - a)) ltac:(equal) ltac:(positive)) in *.
try rewrite (gt_iff (p * y) (a * y) ((1) * y) ((p - a)) ltac:(equal) ltac:(positive)) in *.
subst.
settle.
Qed.

(* Not. *)
Theorem kinds_step15 :
  forall p a : R,
  0 < p < 1 ->
  0 < a < 1 ->
  ~ ((a > p /\ p > a)).
Proof.
intros p a H1 H2.
assert (0 < p) by (lra).
assert (0 < (1 - p)) by (lra).
assert (0 < a) by (lra).
assert (0 < (1 - a)) by (lra).
try rewrite (gt_iff (a) (p) ((1)) (- ((p - a))) ltac:(equal) ltac:(positive)) in *.
try rewrite (gt_iff (p) (a) ((1)) ((p - a)) ltac:(equal) ltac:(positive)) in *.
subst.
settle_by ltac:(first [ assert (K0 : 0 < (- ((p - a)))) by known; assert (K1 : 0 < ((p - a))) by known; assert (0 < 0) by (apply (above_zero 0 (1) ((1 / 2) * ((p - a)) + (1 / 2) * (- ((p - a)))) (0)); [ field | sum_positive | sum_positive | reflexivity ]); lra ]).
Qed.

(* Logarithms. *)
Theorem kinds_step16 :
  forall x y : R,
  2 <= x ->
  0 < y ->
  (x > 2) ->
  (ln (y * x ^ 2)) > (ln x) + (ln y).
Proof.
intros x y H1 H2 H3.
assert (0 <= (x - 2)) by (lra).
assert (0 < y) by (lra).
try pose proof (ln_facts (x) ltac:(positive)).
try pose proof (ln_facts (y) ltac:(positive)).
assert (0 < y) by (first [ lra | nra ]).
assert (0 < x) by (first [ lra | nra ]).
assert (0 < y * x ^ 2) by (replace (y * x ^ 2) with (y * x ^ 2) by equal; positive).
pose proof (ln_facts (y * x ^ 2) ltac:(assumption)).
assert (W1 : (ln (y * x ^ 2)) = 2 * (ln (x)) + (ln (y))) by (replace (y * x ^ 2) with (y * x ^ 2) by equal; logs).
try rewrite W1 in *.
assert (0 < x) by (replace (x) with (x) by equal; positive).
pose proof (ln_facts (x) ltac:(assumption)).
assert (W2 : (ln x) = (ln (x))) by (replace (x) with (x) by equal; logs).
try rewrite W2 in *.
assert (0 < y) by (replace (y) with (y) by equal; positive).
pose proof (ln_facts (y) ltac:(assumption)).
assert (W3 : (ln y) = (ln (y))) by (replace (y) with (y) by equal; logs).
try rewrite W3 in *.
assert (0 < (x - 2)) by (lra).
assert (0 < x - 2) by (replace (x - 2) with (1 * (x - 2)) by field; sum_positive).
try rewrite (gt_iff (x) (2) ((1) * (x - 2)) (1) ltac:(equal) ltac:(positive)) in *.
try rewrite (gt_iff ((2 * (ln (x)) + (ln (y)))) (((ln (x))) + ((ln (y)))) ((1)) (((ln (x)))) ltac:(equal) ltac:(positive)) in *.
subst.
settle.
Qed.

(* Powers. *)
Theorem kinds_step17 :
  forall p y z : R,
  0 < p < 1 ->
  0 < y ->
  Rpower (p * y) z * (exp y) > Rpower p z * Rpower y z.
Proof.
intros p y z H1 H2.
assert (0 < p) by (lra).
assert (0 < (1 - p)) by (lra).
assert (0 < y) by (lra).
try pose proof (ln_facts (p) ltac:(positive)).
try pose proof (ln_facts (y) ltac:(positive)).
assert (0 < p) by (first [ lra | nra ]).
assert (0 < y) by (first [ lra | nra ]).
assert (0 < p * y) by (replace (p * y) with (p * y) by equal; positive).
pose proof (ln_facts (p * y) ltac:(assumption)).
assert (W1 : (ln (p * y)) = (ln (p)) + (ln (y))) by (replace (p * y) with (p * y) by equal; logs).
try rewrite W1 in *.
pose proof (exp_facts ((ln (p)) * z)).
pose proof (exp_facts ((ln (y)) * z)).
assert (W2 : Rpower (p * y) z = (exp ((ln (p)) * z)) * (exp ((ln (y)) * z))) by (apply ln_inv; [ positive | positive | logs ]).
try rewrite W2 in *.
pose proof (exp_facts (y)).
pose proof (exp_facts (y)).
assert (W3 : (exp y) = (exp (y))) by (apply ln_inv; [ positive | positive | logs ]).
try rewrite W3 in *.
assert (0 < p) by (replace (p) with (p) by equal; positive).
pose proof (ln_facts (p) ltac:(assumption)).
assert (W4 : (ln p) = (ln (p))) by (replace (p) with (p) by equal; logs).
try rewrite W4 in *.
assert (W5 : Rpower p z = (exp ((ln (p)) * z))) by (apply ln_inv; [ positive | positive | logs ]).
try rewrite W5 in *.
assert (0 < y) by (replace (y) with (y) by equal; positive).
pose proof (ln_facts (y) ltac:(assumption)).
assert (W6 : (ln y) = (ln (y))) by (replace (y) with (y) by equal; logs).
try rewrite W6 in *.
assert (W7 : Rpower y z = (exp ((ln (y)) * z))) by (apply ln_inv; [ positive | positive | logs ]).
try rewrite W7 in *.
assert (0 < (exp ((ln (p)) * z))) by (positive).
assert (0 < (exp ((ln (y)) * z))) by (positive).
try rewrite (gt_iff (((exp ((ln (p)) * z)) * (exp ((ln (y)) * z))) * ((exp (y)))) (((exp ((ln (p)) * z))) * ((exp ((ln (y)) * z)))) ((1) * (exp ((ln (p)) * z)) * (exp ((ln (y)) * z))) (((exp (y)) - 1)) ltac:(equal) ltac:(positive)) in *.
subst.
settle.
Qed.

(* Exponentials. *)
Theorem kinds_step18 :
  forall y : R,
  0 < y ->
  (exp y) > 1 + (1 / 2) * y.
Proof.
intros y H1.
assert (0 < y) by (lra).
pose proof (exp_facts (y)).
pose proof (exp_facts (y)).
assert (W1 : (exp y) = (exp (y))) by (apply ln_inv; [ positive | positive | logs ]).
try rewrite W1 in *.
try rewrite (gt_iff (((exp (y)))) (1 + (1 / 2) * y) ((1 / 2)) (- ((2 + y - 2 * (exp (y))))) ltac:(equal) ltac:(positive)) in *.
subst.
settle.
Qed.

(* The larger one. *)
Theorem kinds_step19 :
  forall p a : R,
  0 < p < 1 ->
  0 < a < 1 ->
  (Rmax a p) >= p.
Proof.
intros p a H1 H2.
assert (0 < p) by (lra).
assert (0 < (1 - p)) by (lra).
assert (0 < a) by (lra).
assert (0 < (1 - a)) by (lra).
pose proof (max_facts (a) (p)).
try rewrite (ge_iff ((Rmax a p)) (p) ((1)) (- ((p - (Rmax a p)))) ltac:(equal) ltac:(positive)) in *.
subst.
settle.
Qed.

(* At a point. *)
Theorem kinds_step20 :
  exists p a b : R,
  0 < p < 1
  /\ 0 < a < 1
  /\ 0 < b < 1
  /\ (a * p < b).
Proof.
assert (goal : forall p a b : R, p = 1 / 2 -> a = 1 / 3 -> b = 1 / 4 ->
  0 < p < 1
  /\ 0 < a < 1
  /\ 0 < b < 1
  /\ (a * p < b)).
{ intros p a b E0 E1 E2.
  try replace (a * p) with (1 / 6) by (subst; equal).
  subst; repeat split; first [ lra | intuition lra ]. }
exists (1 / 2), (1 / 3), (1 / 4); apply goal; reflexivity.
Qed.

(* Not at another. *)
Theorem kinds_step21 :
  exists y : R,
  0 < y
  /\ (~ ((ln y) > 1)).
Proof.
assert (goal : forall y : R, y = 2 ->
  0 < y
  /\ (~ ((ln y) > 1))).
{ intros y E0.
  subst; by_numbers. }
exists (2); apply goal; reflexivity.
Qed.

(* On a box. *)
Theorem kinds_step22 :
  forall p : R,
  1 / 4 <= p <= 3 / 4 ->
  (exp p) < 3.
Proof.
intros p H0.
repeat split; interval with (i_bisect p, i_depth 40, i_prec 60).
Qed.

(* The claim: its steps together. *)
Theorem kinds :
  (forall p a b g : R,
  0 < p < 1 ->
  0 < a < 1 ->
  0 < b < 1 ->
  0 <= g <= 1 ->
  forall V : R, V = a * p / (1 - g * (b * (1 - p) + p * (1 - a))) ->
  V * (1 - g * (b * (1 - p) + p * (1 - a))) = a * p)
  /\ (forall p z : R,
  0 < p < 1 ->
  (1 + sqrt p) * (sqrt p - 1) = p - 1
  /\ (exp z) = (exp z))
  /\ (forall z : R,
  (z <> 3) ->
  z / (z - 3) - 1 = 3 / (z - 3))
  /\ (forall g : R,
  0 <= g <= 1 ->
  1 + g ^ 2 - g > 0)
  /\ (forall x : R,
  2 <= x ->
  x ^ 2 - 1 - x > 0)
  /\ (forall p a b : R,
  0 < p < 1 ->
  0 < a < 1 ->
  0 < b < 1 ->
  (a + b > 1 <-> a * p / (1 - b * (1 - p) - p * (1 - a)) > p))
  /\ (forall z : R,
  ((z > 1 \/ z < (- 1)) -> z ^ 2 > 1))
  /\ (forall p a y : R,
  0 < p < 1 ->
  0 < a < 1 ->
  0 < y ->
  (p > a -> (p + y > a /\ p * y >= a * y)))
  /\ (forall p a : R,
  0 < p < 1 ->
  0 < a < 1 ->
  (a + p < 1) ->
  1 - a - p ^ 2 > 0)
  /\ (forall p a b : R,
  0 < p < 1 ->
  0 < a < 1 ->
  0 < b < 1 ->
  (b = 1 - p) ->
  (p >= a) ->
  p ^ 2 + a * b >= a)
  /\ (forall y z : R,
  0 < y ->
  (z <> 1) ->
  y * (z - 1) ^ 2 > 0)
  /\ (forall p a y : R,
  0 < p < 1 ->
  0 < a < 1 ->
  0 < y ->
  (p / y < a) ->
  p < a * y)
  /\ (forall p a y : R,
  0 < p < 1 ->
  0 < a < 1 ->
  0 < y ->
  (p / (a - 2) > (- (a / y))) ->
  p * y < 2 * a)
  /\ (forall p a y : R,
  0 < p < 1 ->
  0 < a < 1 ->
  0 < y ->
  (p <= a \/ p * y > a * y))
  /\ (forall p a : R,
  0 < p < 1 ->
  0 < a < 1 ->
  ~ ((a > p /\ p > a)))
  /\ (forall x y : R,
  2 <= x ->
  0 < y ->
  (x > 2) ->
  (ln (y * x ^ 2)) > (ln x) + (ln y))
  /\ (forall p y z : R,
  0 < p < 1 ->
  0 < y ->
  Rpower (p * y) z * (exp y) > Rpower p z * Rpower y z)
  /\ (forall y : R,
  0 < y ->
  (exp y) > 1 + (1 / 2) * y)
  /\ (forall p a : R,
  0 < p < 1 ->
  0 < a < 1 ->
  (Rmax a p) >= p)
  /\ (exists p a b : R,
  0 < p < 1
  /\ 0 < a < 1
  /\ 0 < b < 1
  /\ (a * p < b))
  /\ (exists y : R,
  0 < y
  /\ (~ ((ln y) > 1)))
  /\ (forall p : R,
  1 / 4 <= p <= 3 / 4 ->
  (exp p) < 3).
Proof.
split; [ exact kinds_step1 | ].
split; [ exact kinds_step2 | ].
split; [ exact kinds_step3 | ].
split; [ exact kinds_step4 | ].
split; [ exact kinds_step5 | ].
split; [ exact kinds_step6 | ].
split; [ exact kinds_step7 | ].
split; [ exact kinds_step8 | ].
split; [ exact kinds_step9 | ].
split; [ exact kinds_step10 | ].
split; [ exact kinds_step11 | ].
split; [ exact kinds_step12 | ].
split; [ exact kinds_step13 | ].
split; [ exact kinds_step14 | ].
split; [ exact kinds_step15 | ].
split; [ exact kinds_step16 | ].
split; [ exact kinds_step17 | ].
split; [ exact kinds_step18 | ].
split; [ exact kinds_step19 | ].
split; [ exact kinds_step20 | ].
split; [ exact kinds_step21 | ].
exact kinds_step22.
Qed.

(* wrong. S. *)
(* It is false: Always? *)
Theorem wrong :
  exists p a y : R,
  0 < p < 1
  /\ 0 < a < 1
  /\ 0 < y
  /\ (~ (p * y < a)).
Proof.
assert (goal : forall p a y : R, p = 1 / 2 -> a = 1 / 3 -> y = 2 ->
  0 < p < 1
  /\ 0 < a < 1
  /\ 0 < y
  /\ (~ (p * y < a))).
{ intros p a y E0 E1 E2.
  try replace (p * y) with (1) by (subst; equal).
  subst; repeat split; first [ lra | intuition lra ]. }
exists (1 / 2), (1 / 3), (2); apply goal; reflexivity.
Qed.
