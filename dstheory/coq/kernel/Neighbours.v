(* Statements of related work, for any number of tokens, duels, steps, actions or features. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Policies.
Open Scope R_scope.

(* H4: the chance that a lead of d, which every token raises by 1 with chance u and lowers by 1 with chance v, ends at 0 or below. *)
Fixpoint behind (u v : R) tau (d : R) : R :=
  match tau with
  | O => if Rle_dec d 0 then 1 else 0
  | S tau => u * behind u v tau (d + 1) + v * behind u v tau (d - 1) + (1 - u - v) * behind u v tau d
  end.

Lemma behind_bound u v tau : 0 < v <= u -> u + v <= 1 -> forall d,
  behind u v tau d <= exp (d * ln (sqrt v / sqrt u)) * (1 - (sqrt u - sqrt v) ^ 2) ^ tau.
Proof.
intros V U. assert (SU : 0 < sqrt u) by (apply sqrt_lt_R0; lra). assert (SV : 0 < sqrt v) by (apply sqrt_lt_R0; lra).
assert (EU : sqrt u * sqrt u = u) by (apply sqrt_sqrt; lra). assert (EV : sqrt v * sqrt v = v) by (apply sqrt_sqrt; lra).
assert (LE : sqrt v <= sqrt u) by (apply sqrt_le_1_alt; lra). set (s := sqrt v / sqrt u).
assert (S0 : 0 < s) by (apply Rdiv_lt_0_compat; assumption). assert (X : exp (ln s) = s) by (apply exp_ln, S0).
assert (L0 : ln s <= 0).
{ rewrite <- ln_1. apply Rcomplements.ln_le; [exact S0|]. apply Rmult_le_reg_r with (sqrt u); [exact SU|]. unfold s, Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra. }
assert (M : u * s + v / s + (1 - u - v) = 1 - (sqrt u - sqrt v) ^ 2).
{ transitivity (sqrt u * sqrt u * s + sqrt v * sqrt v / s + (1 - sqrt u * sqrt u - sqrt v * sqrt v)); [rewrite EU, EV; reflexivity|].
  unfold s. field. lra. }
induction tau as [|tau I]; intro d; cbn [behind].
- rewrite pow_O, Rmult_1_r. destruct (Rle_dec d 0) as [D|D]; [|apply Rlt_le, exp_pos]. rewrite <- exp_0.
  assert (0 <= d * ln s) by nra. destruct H as [H | <-]; [apply Rlt_le, exp_increasing, H | lra].
- pose proof (I (d + 1)) as A. pose proof (I (d - 1)) as B. pose proof (I d) as C. rewrite <- tech_pow_Rmult.
  set (m := (1 - (sqrt u - sqrt v) ^ 2) ^ tau) in *. clearbody m. rewrite <- M.
  replace ((d + 1) * ln s) with (d * ln s + ln s) in A by ring. replace ((d - 1) * ln s) with (d * ln s + - ln s) in B by ring.
  rewrite exp_plus, X in A. rewrite exp_plus, exp_Ropp, X in B. set (e := exp (d * ln s)) in *.
  apply Rle_trans with (u * (e * s * m) + v * (e * / s * m) + (1 - u - v) * (e * m)); [|right; unfold Rdiv; ring].
  repeat apply Rplus_le_compat; apply Rmult_le_compat_l; lra || assumption.
Qed.

(* H4, any number of tokens: the better answer fails to lead with probability at most M^tau. *)
Theorem better_behind p1 p2 tau : 0 < p2 < p1 -> p1 < 1 ->
  behind (p1 * (1 - p2)) ((1 - p1) * p2) tau 0 <= (1 - (sqrt (p1 * (1 - p2)) - sqrt ((1 - p1) * p2)) ^ 2) ^ tau.
Proof.
intros A B. eapply Rle_trans; [apply behind_bound; nra|]. rewrite Rmult_0_l, exp_0. lra.
Qed.

(* H4-stages, H6-error: at least as many losses as wins in n independent trials, each won with chance p above 1/2. *)
Theorem majority_lost p n : 1 / 2 < p < 1 -> behind p (1 - p) n 0 <= sqrt (4 * (p * (1 - p))) ^ n.
Proof.
intro P. eapply Rle_trans; [apply behind_bound; lra|]. rewrite Rmult_0_l, exp_0, Rmult_1_l. right. f_equal.
rewrite sqrt_mult by nra. replace (sqrt 4) with 2 by (replace 4 with (2 * 2) by ring; rewrite sqrt_square; lra). rewrite sqrt_mult by lra.
pose proof (sqrt_sqrt p ltac:(lra)). pose proof (sqrt_sqrt (1 - p) ltac:(lra)). nra.
Qed.

(* F2: Adam's moments with any gradients, any number of steps; the steps are the same if all gradients are multiplied by t. *)
Fixpoint moment beta (g : nat -> R) k := match k with O => 0 | S k => beta * moment beta g k + (1 - beta) * g k end.
Definition adam b1 b2 eps g k := moment b1 g k / (1 - b1 ^ k) / (sqrt (moment b2 (fun i => g i ^ 2) k / (1 - b2 ^ k)) + eps).

Lemma moment_scale beta c g k : moment beta (fun i => c * g i) k = c * moment beta g k.
Proof. induction k as [|k I]; simpl; [ring|]. rewrite I. ring. Qed.

Theorem adam_scale_free b1 b2 g t k : 0 < t -> 0 <= b1 < 1 -> 0 <= b2 < 1 -> (0 < k)%nat ->
  0 < moment b2 (fun i => g i ^ 2) k -> adam b1 b2 0 (fun i => t * g i) k = adam b1 b2 0 g k.
Proof.
intros T B1 B2 K V. unfold adam. rewrite moment_scale.
assert (M : moment b2 (fun i => (t * g i) ^ 2) k = t ^ 2 * moment b2 (fun i => g i ^ 2) k).
{ rewrite <- moment_scale. clear. induction k as [|k I]; simpl; [reflexivity|]. simpl in I. rewrite I. ring. }
rewrite M. assert (P1 : b1 ^ k < 1) by (apply pow_lt_1_compat; [lra | exact K]). assert (P2 : b2 ^ k < 1) by (apply pow_lt_1_compat; [lra | exact K]).
unfold Rdiv at 3. rewrite Rmult_assoc, sqrt_mult, sqrt_pow2 by (try apply pow2_ge_0; try lra; apply Rlt_le, Rdiv_lt_0_compat; lra).
fold (moment b2 (fun i => g i ^ 2) k / (1 - b2 ^ k)). set (r := sqrt _). assert (0 < r) by (apply sqrt_lt_R0, Rdiv_lt_0_compat; lra).
field. lra.
Qed.

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

(* O9: L ratios of tokens that are at most 1 + eps each make a ratio of the answer of at most (1 + eps)^L, and can reach it. *)
Fixpoint product L (r : nat -> R) := match L with O => 1 | S L => product L r * r L end.
Theorem ratio_of_tokens L r eps : 0 <= eps -> (forall i, (i < L)%nat -> 0 < r i <= 1 + eps) ->
  product L r <= (1 + eps) ^ L /\ product L (fun _ => 1 + eps) = (1 + eps) ^ L.
Proof.
intros E H. assert (P : 0 <= product L r <= (1 + eps) ^ L).
{ induction L as [|L I]; simpl; [lra|]. destruct (I ltac:(intros; apply H; lia)) as [A B]. pose proof (H L ltac:(lia)). split; nra. }
split; [lra|]. clear. induction L as [|L I]; simpl; [reflexivity|]. rewrite I. ring.
Qed.
