(* Statements of related work, for any number of actions or features, and for flows. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Policies.
Open Scope R_scope.

(* H5-value, any number of actions: a constant added to all logits of a state changes no probability, and moves log sum exp by itself. *)
Theorem logits_shift n z c i : (0 < n)%nat ->
  softmax n (fun k => z k + c) i = softmax n z i /\ ln (Z n (fun k => z k + c)) = ln (Z n z) + c.
Proof.
intro N. assert (E : Z n (fun k => z k + c) = Z n z * exp c).
{ unfold Z. rewrite <- Sum_scal_r. apply Sum_ext; intros; apply exp_plus. }
pose proof (Z_pos n N z) as P. pose proof (exp_pos c) as C. split.
- unfold softmax. rewrite E, exp_plus. field. lra.
- rewrite E, ln_mult, ln_exp by assumption. reflexivity.
Qed.

(* H7, any number of features, in coordinates in which the covariance is the unit matrix: the least reward of an answer with features f
   over weights within eps of the estimate w is w . f - eps |f|, and it is reached. *)
Theorem robust_reward n (w f : nat -> R) eps : 0 < eps -> let N := sqrt (Sum n (fun i => f i ^ 2)) in
  let least := Sum n (fun i => w i * f i) - eps * N in
  (forall v, Sum n (fun i => (v i - w i) ^ 2) <= eps ^ 2 -> least <= Sum n (fun i => v i * f i))
  /\ exists v, Sum n (fun i => (v i - w i) ^ 2) <= eps ^ 2 /\ Sum n (fun i => v i * f i) = least.
Proof.
intros E N least. assert (F0 : 0 <= Sum n (fun i => f i ^ 2)) by (apply Sum_nonneg; intros; apply pow2_ge_0).
assert (N2 : N ^ 2 = Sum n (fun i => f i ^ 2)) by (unfold N; apply pow2_sqrt; exact F0).
assert (N0 : 0 <= N) by apply sqrt_pos. destruct N0 as [N0|N0].
- assert (S : forall v c, Sum n (fun i => (eps * f i + N * (v i - w i)) ^ 2 * c)
    = (eps ^ 2 * N ^ 2 + 2 * eps * N * Sum n (fun i => (v i - w i) * f i) + N ^ 2 * Sum n (fun i => (v i - w i) ^ 2)) * c).
  { intros v c. rewrite N2 at 1. rewrite Sum_scal_r. f_equal. rewrite <- !Sum_scal, <- !Sum_plus. apply Sum_ext; intros; ring. }
  assert (D : forall v, Sum n (fun i => v i * f i) = Sum n (fun i => w i * f i) + Sum n (fun i => (v i - w i) * f i))
    by (intro v; rewrite <- Sum_plus; apply Sum_ext; intros; ring). split.
  + intros v H. rewrite D. unfold least. pose proof (S v 1) as Y. assert (Q : 0 <= Sum n (fun i => (eps * f i + N * (v i - w i)) ^ 2 * 1)).
    { apply Sum_nonneg; intros; rewrite Rmult_1_r; apply pow2_ge_0. } rewrite Y in Q. set (d := Sum n (fun i => (v i - w i) * f i)) in *.
    assert (0 <= 2 * eps * N * (eps * N + d)).
    { assert (0 <= N ^ 2 * (eps ^ 2 - Sum n (fun i => (v i - w i) ^ 2))) by (apply Rmult_le_pos; [apply pow2_ge_0 | lra]). lra. }
    assert (0 < 2 * eps * N) by (repeat apply Rmult_lt_0_compat; lra). assert (0 <= eps * N + d) by nra. lra.
  + exists (fun i => w i - eps / N * f i). split.
    * rewrite (Sum_ext n _ (fun i => (eps / N) ^ 2 * f i ^ 2)) by (intros; ring). rewrite Sum_scal, <- N2. right. field. lra.
    * rewrite D, (Sum_ext n (fun i => (_ - w i) * f i) (fun i => - (eps / N) * f i ^ 2)) by (intros; ring). rewrite Sum_scal, <- N2. unfold least. field. lra.
- assert (Z : forall i, (i < n)%nat -> f i = 0).
  { intros i Hi. assert (Q : Sum n (fun i => f i ^ 2) = 0) by (rewrite <- N2, <- N0; ring).
    pose proof (Sum_zero_each n (fun i => f i ^ 2) (fun i _ => pow2_ge_0 (f i)) Q i Hi). nra. }
  assert (A : forall v, Sum n (fun i => v i * f i) = 0) by (intro v; apply Sum_zero; intros i Hi; rewrite Z by exact Hi; ring).
  unfold least. rewrite <- N0, A. split; [intros v _; rewrite A; lra|]. exists w. split; [|rewrite A; ring].
  rewrite Sum_zero by (intros; ring). pose proof (pow2_ge_0 eps). exact H.
Qed.

(* H2-flow: the logit that follows the natural gradient of success probability less beta KL to the reference, from any start. *)
Theorem penalised_flow (L : R -> R) ref beta : beta <> 0 -> (forall t, is_derive L t (1 - beta * (L t - ref))) ->
  forall t, 0 <= t -> L t = ref + 1 / beta + (L 0 - ref - 1 / beta) * exp (- beta * t).
Proof.
intros B D t T. set (h := fun t => (L t + (- ref - 1 / beta)) * exp (beta * t)).
assert (H : h t = h 0).
{ destruct T as [T | <-]; [|reflexivity]. symmetry. apply (eq_is_derive h 0 t); [|exact T]. intros x _. unfold h.
  evar_last; [apply (product_derive (fun x => L x + (- ref - 1 / beta)) (fun x => exp (beta * x)))|].
  - apply (sum_derive L (fun _ => - ref - 1 / beta)); [apply D | apply @is_derive_const].
  - apply (is_derive_comp exp (fun x => beta * x)); [apply is_derive_Reals, derivable_pt_lim_exp|].
    apply (is_derive_scal (fun x => x) x beta 1). apply @is_derive_id.
  - unfold scal, zero; simpl; unfold mult; simpl. field. exact B. }
unfold h in H. rewrite Rmult_0_r, exp_0, Rmult_1_r in H.
replace (L 0 - ref - 1 / beta) with (L 0 + (- ref - 1 / beta)) by ring. rewrite <- H, Rmult_assoc, <- exp_plus.
replace (beta * t + - beta * t) with 0 by ring. rewrite exp_0. ring.
Qed.

(* It exists: this function follows it. *)
Theorem penalised_flow_exists l0 ref beta t : beta <> 0 ->
  let L := fun t => ref + 1 / beta + (l0 - ref - 1 / beta) * exp (- beta * t) in L 0 = l0 /\ is_derive L t (1 - beta * (L t - ref)).
Proof.
intros B L. split; unfold L; [rewrite Rmult_0_r, exp_0; ring|]. auto_derive; [exact I | field; exact B].
Qed.

Example penalised_flow_met l0 ref beta : beta <> 0 -> exists L : R -> R, L 0 = l0 /\ (forall t, is_derive L t (1 - beta * (L t - ref)))
  /\ forall t, 0 <= t -> L t = ref + 1 / beta + (l0 - ref - 1 / beta) * exp (- beta * t).
Proof.
intro B. set (L := fun t => ref + 1 / beta + (l0 - ref - 1 / beta) * exp (- beta * t)). exists L.
assert (L0 : L 0 = l0) by apply (penalised_flow_exists l0 ref beta 0 B).
assert (D : forall t, is_derive L t (1 - beta * (L t - ref))) by (intro t; apply (penalised_flow_exists l0 ref beta t B)).
split; [exact L0|]. split; [exact D|]. rewrite <- L0. apply (penalised_flow L ref beta B D).
Qed.
