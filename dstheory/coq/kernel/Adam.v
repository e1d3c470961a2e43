(* F2: Adam and the weights of the stages, for any gradients, any number of parameters and of steps. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums.
Open Scope R_scope.

(* The k-th step of a parameter from its two moments, corrected for their start at 0; and the moments of k gradients. *)
Definition adam_step b1 b2 eps k m v := m / (1 - b1 ^ k) / (sqrt (v / (1 - b2 ^ k)) + eps).
Fixpoint moment beta (g : nat -> R) k := match k with O => 0 | S k => beta * moment beta g k + (1 - beta) * g k end.
Definition adam b1 b2 eps g k := adam_step b1 b2 eps k (moment b1 g k) (moment b2 (fun i => g i ^ 2) k).

Lemma moment_scale beta c g k : moment beta (fun i => c * g i) k = c * moment beta g k.
Proof. induction k as [|k I]; simpl; [ring|]. rewrite I. ring. Qed.

Lemma correction beta k : 0 <= beta < 1 -> (0 < k)%nat -> 0 < 1 - beta ^ k.
Proof. intros B K. assert (beta ^ k < 1) by (apply pow_lt_1_compat; [lra | exact K]). lra. Qed.

(* Moments of gradients times t: the root of the second is t times as large, and so is the step if nothing is added to it. *)
Lemma root_scale b2 t k v : 0 < t -> 0 <= b2 < 1 -> (0 < k)%nat -> 0 < v -> sqrt (t ^ 2 * v / (1 - b2 ^ k)) = t * sqrt (v / (1 - b2 ^ k)).
Proof.
intros T B K V. pose proof (correction b2 k B K). unfold Rdiv. rewrite Rmult_assoc, sqrt_mult, sqrt_pow2; try lra; try apply pow2_ge_0.
apply Rlt_le, Rdiv_lt_0_compat; lra.
Qed.

Lemma step_scale b1 b2 t k m v : 0 < t -> 0 <= b1 < 1 -> 0 <= b2 < 1 -> (0 < k)%nat -> 0 < v ->
  adam_step b1 b2 0 k (t * m) (t ^ 2 * v) = adam_step b1 b2 0 k m v.
Proof.
intros T B1 B2 K V. unfold adam_step. rewrite root_scale by assumption. pose proof (correction b1 k B1 K). pose proof (correction b2 k B2 K).
assert (0 < sqrt (v / (1 - b2 ^ k))) by (apply sqrt_lt_R0, Rdiv_lt_0_compat; lra). field. lra.
Qed.

(* F2: the steps are the same if all gradients are multiplied by t. *)
Theorem adam_scale_free b1 b2 g t k : 0 < t -> 0 <= b1 < 1 -> 0 <= b2 < 1 -> (0 < k)%nat ->
  0 < moment b2 (fun i => g i ^ 2) k -> adam b1 b2 0 (fun i => t * g i) k = adam b1 b2 0 g k.
Proof.
intros T B1 B2 K V. unfold adam. rewrite moment_scale, <- (step_scale b1 b2 t k (moment b1 g k)) by assumption. f_equal.
rewrite <- moment_scale. clear. induction k as [|k I]; simpl; [reflexivity|]. simpl in I. rewrite I. ring.
Qed.

(* F2: with epsilon above 0, and r the root of the second moment, corrected, the fraction epsilon/(t r + epsilon) of the step is lost. *)
Theorem adam_epsilon b1 b2 eps g t k : 0 < t -> 0 < eps -> 0 <= b1 < 1 -> 0 <= b2 < 1 -> (0 < k)%nat ->
  0 < moment b2 (fun i => g i ^ 2) k ->
  let r := sqrt (moment b2 (fun i => g i ^ 2) k / (1 - b2 ^ k)) in let lost := eps / (t * r + eps) in
  adam b1 b2 eps (fun i => t * g i) k = (1 - lost) * adam b1 b2 0 g k /\ 0 < lost < 1 /\ lost < eps / (t * r).
Proof.
intros T E B1 B2 K V r lost. pose proof (correction b1 k B1 K). pose proof (correction b2 k B2 K).
assert (P : 0 < r) by (apply sqrt_lt_R0, Rdiv_lt_0_compat; lra). assert (TR : 0 < t * r) by (apply Rmult_lt_0_compat; assumption). split; [|split; [split|]].
- unfold adam. rewrite moment_scale. assert (M : moment b2 (fun i => (t * g i) ^ 2) k = t ^ 2 * moment b2 (fun i => g i ^ 2) k).
  { rewrite <- moment_scale. clear. induction k as [|k I]; simpl; [reflexivity|]. simpl in I. rewrite I. ring. }
  rewrite M. unfold adam_step. rewrite root_scale by assumption. fold r. unfold lost. field. lra.
- apply Rdiv_lt_0_compat; lra.
- apply Rmult_lt_reg_r with (t * r + eps); [lra|]. unfold lost, Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
- apply Rmult_lt_compat_l; [exact E|]. apply Rinv_lt_contravar; [apply Rmult_lt_0_compat; lra | lra].
Qed.

(* Training by Adam: n parameters, each used by one stage alone; at step k and parameters x the gradient of parameter i is its stage's
   weight times G k x i. G may depend on all parameters, and on chance. After k steps: the parameters and their two moments. *)
Section Run.
Variables (b1 b2 eps : R) (rate : nat -> R) (n : nat) (G : nat -> (nat -> R) -> nat -> R) (start : nat -> R).
Fixpoint run (weight : nat -> R) k : (nat -> R) * (nat -> R) * (nat -> R) := match k with
  | O => (start, fun _ => 0, fun _ => 0)
  | S k => let '(x, m, v) := run weight k in let g i := weight i * G k x i in
    let m' i := b1 * m i + (1 - b1) * g i in let v' i := b2 * v i + (1 - b2) * g i ^ 2 in
    (fun i => x i + rate k * adam_step b1 b2 eps (S k) (m' i) (v' i), m', v') end.
Definition parameters weight k := fst (fst (run weight k)).
Definition second_moment weight k := snd (run weight k).
Definition of_stages (sampling : nat -> bool) ws wd i : R := if sampling i then ws else wd.

Lemma second_step weight k i :
  second_moment weight (S k) i = b2 * second_moment weight k i + (1 - b2) * (weight i * G k (parameters weight k) i) ^ 2.
Proof. unfold second_moment, parameters. simpl. destruct (run weight k) as [[x m] v]. reflexivity. Qed.

(* F2: with epsilon = 0 the whole run, of either stage, is that of the gradients without weights. *)
Theorem adam_removes_weights sampling ws wd : eps = 0 -> 0 <= b1 < 1 -> 0 <= b2 < 1 -> 0 < ws -> 0 < wd ->
  (forall k x y, (forall i, (i < n)%nat -> x i = y i) -> forall i, (i < n)%nat -> G k x i = G k y i) ->
  (forall k i, (i < n)%nat -> 0 < second_moment (fun _ => 1) (S k) i) ->
  forall k i, (i < n)%nat -> parameters (of_stages sampling ws wd) k i = parameters (fun _ => 1) k i.
Proof.
intros E B1 B2 W V L M. set (w := of_stages sampling ws wd). assert (P : forall i, 0 < w i) by (intro i; unfold w, of_stages; destruct (sampling i); assumption).
enough (I : forall k i, (i < n)%nat -> parameters w k i = parameters (fun _ => 1) k i /\ snd (fst (run w k)) i = w i * snd (fst (run (fun _ => 1) k)) i
  /\ second_moment w k i = w i ^ 2 * second_moment (fun _ => 1) k i) by (intros; apply I; assumption).
induction k as [|k I]; intros i Hi; [unfold parameters, second_moment; simpl; repeat split; ring|].
pose proof (M k i Hi) as Mk. unfold parameters, second_moment in *. simpl in *.
destruct (run w k) as [[x m] v]. destruct (run (fun _ => 1) k) as [[y m1] v1]. simpl in *. destruct (I i Hi) as [X [MM VV]].
rewrite (L k x y (fun j Hj => proj1 (I j Hj)) i Hi), X, MM, VV, E in *. set (g := G k y i) in *. clearbody g.
assert (A : b1 * (w i * m1 i) + (1 - b1) * (w i * g) = w i * (b1 * m1 i + (1 - b1) * (1 * g))) by ring.
assert (B : b2 * (w i ^ 2 * v1 i) + (1 - b2) * (w i * g) ^ 2 = w i ^ 2 * (b2 * v1 i + (1 - b2) * (1 * g) ^ 2)) by ring.
simpl in A, B, Mk |- *. rewrite A, B. split; [|split; reflexivity]. f_equal. f_equal.
apply step_scale; [apply P | exact B1 | exact B2 | lia | exact Mk].
Qed.
End Run.

(* Gradients that point back to 0, from 1: the parameters go the same way at all weights. *)
Example adam_removes_weights_met b1 b2 ws wd : 0 <= b1 < 1 -> 0 < b2 < 1 -> 0 < ws -> 0 < wd ->
  let x := parameters b1 b2 0 (fun _ => 1 / 10) (fun _ x i => - x i) (fun _ => 1) in let w := of_stages (Nat.eqb 0) ws wd in
  (forall k i, (i < 2)%nat -> x w k i = x (fun _ => 1) k i) /\ forall i, (i < 2)%nat -> x w 1%nat i = 9 / 10.
Proof.
intros B1 B2 W V x w. set (G := fun (_ : nat) (x : nat -> R) i => - x i).
assert (M : forall k i, 0 < second_moment b1 b2 0 (fun _ => 1 / 10) G (fun _ => 1) (fun _ => 1) (S k) i).
{ induction k as [|k I]; intro i; rewrite second_step; [unfold second_moment, parameters, G; simpl; lra|].
  apply Rplus_lt_le_0_compat; [apply Rmult_lt_0_compat; [lra | apply I] | apply Rmult_le_pos; [lra | apply pow2_ge_0]]. }
assert (R : forall k i, (i < 2)%nat -> x w k i = x (fun _ => 1) k i).
{ intros k i Hi. apply (adam_removes_weights b1 b2 0 (fun _ => 1 / 10) 2 G); try assumption; try reflexivity; try lra.
  - intros j y z H l Hl. unfold G. rewrite (H l Hl). reflexivity.
  - intros; apply M. }
split; [exact R|]. intros i Hi. rewrite R by exact Hi. unfold x, parameters. simpl. unfold adam_step. rewrite pow_1, pow_1.
replace ((b2 * 0 + (1 - b2) * (1 * - (1) * (1 * - (1) * 1))) / (1 - b2)) with 1 by (field; lra). rewrite sqrt_1. field. lra.
Qed.

(* Two gradients, 3 and 4; weights 2 and 1/2. *)
Section Two.
Let g (i : nat) := match i with O => 3 | _ => 4 end.
Let M : 0 < moment 0 (fun i => g i ^ 2) 2.
Proof. simpl; lra. Qed.
Let R : sqrt (moment 0 (fun i => g i ^ 2) 2 / (1 - 0 ^ 2)) = 4.
Proof.
replace (moment 0 (fun i => g i ^ 2) 2 / (1 - 0 ^ 2)) with (4 * 4) by (simpl; field). apply sqrt_square. lra.
Qed.
Let A : adam 0 0 0 g 2 = 1.
Proof. unfold adam, adam_step. rewrite R. simpl. field. Qed.

Example adam_scale_free_met : adam 0 0 0 (fun i => 2 * g i) 2 = 1.
Proof. rewrite adam_scale_free by (lra || lia || exact M). exact A. Qed.

Example adam_epsilon_met : adam 0 0 1 (fun i => 1 / 2 * g i) 2 = 2 / 3.
Proof.
destruct (adam_epsilon 0 0 1 g (1 / 2) 2 ltac:(lra) ltac:(lra) ltac:(lra) ltac:(lra) ltac:(lia) M) as [E _]. rewrite E, R, A. field.
Qed.
End Two.
