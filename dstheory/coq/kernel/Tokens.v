(* Answers that are written token by token: any number of tokens, an alphabet of its own after every prefix (an answer that is shorter
   than others goes on with tokens that nothing else can follow). Prefixes and answers are lists, the latest token first. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List.
From Kernel Require Import Sums Policies Chain Gradient Energy Gibbs Optimum.
Open Scope R_scope.

Section Tokens.
Variable m : list nat -> nat.
Definition tokens := list nat -> nat -> R.

(* The mean of F over the answers of L more tokens after h, the mean sum of f over the prefixes at which these are drawn, and what is
   so for every such answer. *)
Fixpoint Tok (pi : tokens) L h (F : list nat -> R) := match L with O => F h | S L => Sum (m h) (fun v => pi h v * Tok pi L (v :: h) F) end.
Fixpoint Rows (pi : tokens) L h (f : list nat -> R) :=
  match L with O => 0 | S L => f h + Sum (m h) (fun v => pi h v * Rows pi L (v :: h) f) end.
Fixpoint Answers L h (A : list nat -> Prop) : Prop := match L with O => A h | S L => forall v, (v < m h)%nat -> Answers L (v :: h) A end.

Lemma Answers_imp (A B : list nat -> Prop) L : (forall l, A l -> B l) -> forall h, Answers L h A -> Answers L h B.
Proof. intro H. induction L as [|L I]; intro h; simpl; [apply H | intros J v Hv; apply I, J, Hv]. Qed.

(* Sums and products over the tokens of an answer. *)
Fixpoint path (x : tokens) l := match l with nil => 0 | v :: h => x h v + path x h end.
Fixpoint chance (pi : tokens) l := match l with nil => 1 | v :: h => pi h v * chance pi h end.

(* The score of an answer in direction x of the logits: what a token's x has over the mean of its row. *)
Definition mean (pi x : tokens) h := Sum (m h) (fun v => pi h v * x h v).
Definition score_of (pi x : tokens) : list nat -> R := path (fun h v => x h v - mean pi x h).
Definition chi2 (pi E : tokens) h := Sum (m h) (fun v => E h v ^ 2 / pi h v) - 1.

Lemma Tok_ext pi F G L : forall h, (forall l, length l = (L + length h)%nat -> F l = G l) -> Tok pi L h F = Tok pi L h G.
Proof.
induction L as [|L I]; intros h H; simpl; [apply H; reflexivity|]. apply Sum_ext; intros v _. f_equal. apply I. intros l Hl. apply H. simpl in Hl. lia.
Qed.

Lemma Tok_scal pi c F L : forall h, Tok pi L h (fun l => c * F l) = c * Tok pi L h F.
Proof. induction L as [|L I]; intro h; simpl; [reflexivity|]. rewrite <- Sum_scal. apply Sum_ext; intros v _. rewrite I. ring. Qed.

Lemma Tok_plus pi F G L : forall h, Tok pi L h (fun l => F l + G l) = Tok pi L h F + Tok pi L h G.
Proof. induction L as [|L I]; intro h; simpl; [reflexivity|]. rewrite <- Sum_plus. apply Sum_ext; intros v _. rewrite I. ring. Qed.

Lemma Rows_ext pi f g L : forall h, (forall h, f h = g h) -> Rows pi L h f = Rows pi L h g.
Proof. induction L as [|L I]; intros h H; simpl; [reflexivity|]. rewrite H. f_equal. apply Sum_ext; intros v _. rewrite I by exact H. reflexivity. Qed.

Lemma Rows_scal pi c f L : forall h, Rows pi L h (fun h => c * f h) = c * Rows pi L h f.
Proof.
induction L as [|L I]; intro h; simpl; [ring|]. rewrite Rmult_plus_distr_l, <- Sum_scal. f_equal. apply Sum_ext; intros v _. rewrite I. ring.
Qed.

Section Policy.
Variable pi : tokens.
Hypothesis pi_sum : forall h, Sum (m h) (pi h) = 1.

Lemma Tok_const c L : forall h, Tok pi L h (fun _ => c) = c.
Proof.
induction L as [|L I]; intro h; simpl; [reflexivity|]. rewrite (Sum_ext _ _ (fun v => pi h v * c)) by (intros; rewrite I; reflexivity).
rewrite Sum_scal_r, pi_sum. ring.
Qed.

Lemma row_centred x h : Sum (m h) (fun v => pi h v * (x h v - mean pi x h)) = 0.
Proof.
rewrite (Sum_ext _ _ (fun v => pi h v * x h v - mean pi x h * pi h v)) by (intros; ring). rewrite Sum_minus, Sum_scal, pi_sum. unfold mean. ring.
Qed.

Lemma row_covariance x y h : Sum (m h) (fun v => pi h v * ((x h v - mean pi x h) * (y h v - mean pi y h)))
  = Sum (m h) (fun v => pi h v * (x h v - mean pi x h) * y h v).
Proof.
rewrite (Sum_ext _ _ (fun v => pi h v * (x h v - mean pi x h) * y h v - mean pi y h * (pi h v * (x h v - mean pi x h)))) by (intros; ring).
rewrite Sum_minus, Sum_scal, row_centred. ring.
Qed.

Lemma score_cons x v h : score_of pi x (v :: h) = x h v - mean pi x h + score_of pi x h.
Proof. reflexivity. Qed.

(* C4: rows of different prefixes are orthogonal: the mean product of two scores is the mean sum over prefixes of the rows' own. *)
Theorem token_scores x y L : forall h, Tok pi L h (fun l => score_of pi x l * score_of pi y l)
  = score_of pi x h * score_of pi y h
    + Rows pi L h (fun h => Sum (m h) (fun v => pi h v * ((x h v - mean pi x h) * (y h v - mean pi y h)))).
Proof.
induction L as [|L I]; intro h; simpl; [ring|]. set (f := fun h => Sum (m h) _) in *.
set (a := score_of pi x h). set (b := score_of pi y h).
rewrite (Sum_ext _ _ (fun v => (pi h v * ((x h v - mean pi x h) * (y h v - mean pi y h)) + pi h v * Rows pi L (v :: h) f)
  + (b * (pi h v * (x h v - mean pi x h)) + (a * (pi h v * (y h v - mean pi y h)) + a * b * pi h v)))).
- rewrite !Sum_plus, !Sum_scal, !row_centred, pi_sum. ring.
- intros v _. rewrite I, !score_cons. fold a b. ring.
Qed.

Lemma token_mean x L : forall h, Tok pi L h (score_of pi x) = score_of pi x h.
Proof.
induction L as [|L I]; intro h; simpl; [reflexivity|].
rewrite (Sum_ext _ _ (fun v => pi h v * (x h v - mean pi x h) + score_of pi x h * pi h v)) by (intros; rewrite I, score_cons; ring).
rewrite Sum_plus, Sum_scal, row_centred, pi_sum. ring.
Qed.

(* What depends on the number of tokens before alone adds up over positions. *)
Lemma Rows_depth (f : list nat -> R) (g : nat -> R) L : (forall h, f h = g (length h)) -> Rows pi L nil f = Sum L g.
Proof.
intro H. assert (X : forall h, Rows pi L h f = Sum L (fun i => g (length h + i)%nat)); [|exact (X nil)].
induction L as [|L I]; intro h; [reflexivity|]. rewrite Sum_first, Nat.add_0_r. simpl. rewrite H. f_equal.
rewrite (Sum_ext _ _ (fun v => pi h v * Sum L (fun i => g (length h + S i)%nat))).
- rewrite Sum_scal_r, pi_sum. ring.
- intros v _. rewrite I. f_equal. apply Sum_ext; intros i _. f_equal. simpl. lia.
Qed.

Hypothesis pi_pos : forall h v, (v < m h)%nat -> 0 < pi h v.
Variable E : tokens.
Hypothesis E_sum : forall h, Sum (m h) (E h) = 1.
Definition ratio l := chance (fun h v => E h v / pi h v) l.

(* Prefixes that the demonstrator visits, as prefixes that the policy visits. *)
Lemma Rows_change f L : forall h, ratio h * Rows E L h f = Rows pi L h (fun h => ratio h * f h).
Proof.
induction L as [|L I]; intro h; simpl; [ring|]. rewrite Rmult_plus_distr_l. f_equal. rewrite <- Sum_scal. apply Sum_ext; intros v Hv.
rewrite <- I. unfold ratio; simpl. pose proof (pi_pos h v Hv). field. lra.
Qed.

(* The mean squared ratio of demonstrator and policy: what it gains by a token is the chi2 of the token's row. *)
Lemma ratio_square L : forall h, Tok pi L h (fun l => ratio l ^ 2) = ratio h ^ 2 + Rows pi L h (fun h => ratio h ^ 2 * chi2 pi E h).
Proof.
set (f := fun h => ratio h ^ 2 * chi2 pi E h). induction L as [|L I]; intro h; [simpl; ring|].
change (Rows pi (S L) h f) with (f h + Sum (m h) (fun v => pi h v * Rows pi L (v :: h) f)). simpl Tok.
rewrite (Sum_ext _ _ (fun v => ratio h ^ 2 * (E h v ^ 2 / pi h v) + pi h v * Rows pi L (v :: h) f)).
- rewrite Sum_plus, Sum_scal. unfold f at 2, chi2. ring.
- intros v Hv. rewrite I. unfold ratio; simpl chance. fold (ratio h). pose proof (pi_pos h v Hv). field. lra.
Qed.

(* The gradient of SFT on the tokens in direction y, with weight w at a row: nE times the demonstrator's mean sum over prefixes. *)
Definition sft_slope nE (w : list nat -> R) L (y : tokens) :=
  nE * Rows E L nil (fun h => w h * Sum (m h) (fun v => (E h v - pi h v) * y h v)).

(* The direction nE w/n E/pi (times the ratio before it) solves F x = gradient, F the Fisher information of n answers. *)
Definition solution n nE (w : list nat -> R) (rho : list nat -> R) : tokens := fun h v => nE * w h / n * rho h * (E h v / pi h v).

Lemma solution_row n nE w rho y h : 0 < n ->
  n * Sum (m h) (fun v => pi h v * ((solution n nE w rho h v - mean pi (solution n nE w rho) h) * (y h v - mean pi y h)))
  = nE * (rho h * (w h * Sum (m h) (fun v => (E h v - pi h v) * y h v))).
Proof.
intro N. rewrite row_covariance. assert (M : mean pi (solution n nE w rho) h = nE * w h / n * rho h).
{ unfold mean, solution. rewrite (Sum_ext _ _ (fun v => (nE * w h / n * rho h) * E h v)).
  - rewrite Sum_scal, E_sum. ring.
  - intros v Hv. pose proof (pi_pos h v Hv). field. lra. }
rewrite M. rewrite <- !Sum_scal. apply Sum_ext; intros v Hv. unfold solution. pose proof (pi_pos h v Hv). field. lra.
Qed.

Lemma solution_slope n nE w rho h : 0 < n ->
  Sum (m h) (fun v => (E h v - pi h v) * solution n nE w rho h v) = nE * w h / n * rho h * chi2 pi E h.
Proof.
intro N. unfold chi2. rewrite (Sum_ext _ _ (fun v => (nE * w h / n * rho h) * (E h v ^ 2 / pi h v - E h v))).
- rewrite Sum_scal, Sum_minus, E_sum. ring.
- intros v Hv. unfold solution. pose proof (pi_pos h v Hv). field. lra.
Qed.

(* C4-tree: a row for every prefix. The energy is n_E^2/n times chi2 of whole answers, however they are split into tokens. *)
Theorem tree_energy n nE L : 0 < n ->
  let solves x := forall y, n * Tok pi L nil (fun l => score_of pi x l * score_of pi y l) = sft_slope nE (fun _ => 1) L y in
  (exists x, solves x)
  /\ forall x, solves x -> sft_slope nE (fun _ => 1) L x = nE ^ 2 / n * (Tok pi L nil (fun l => ratio l ^ 2) - 1).
Proof.
intros N solves. set (x0 := solution n nE (fun _ => 1) ratio).
assert (H0 : forall y, n * Tok pi L nil (fun l => score_of pi x0 l * score_of pi y l) = sft_slope nE (fun _ => 1) L y).
{ intro y. rewrite token_scores. unfold sft_slope. replace (score_of pi x0 nil) with 0 by reflexivity. rewrite Rmult_0_l, Rplus_0_l.
  rewrite <- (Rmult_1_l (Rows E L nil _)). change 1 with (ratio nil) at 1. rewrite Rows_change, <- !Rows_scal. apply Rows_ext.
  intro h. apply solution_row, N. }
split; [exists x0; exact H0|]. intros x H. rewrite <- H0. rewrite (Tok_ext pi _ (fun l => score_of pi x l * score_of pi x0 l)) by (intros; ring). rewrite H. unfold sft_slope.
rewrite ratio_square. replace (ratio nil) with 1 by reflexivity.
rewrite <- (Rmult_1_l (Rows E L nil _)). change 1 with (ratio nil) at 1. rewrite Rows_change.
replace (1 ^ 2 + Rows pi L nil _ - 1) with (Rows pi L nil (fun h => ratio h ^ 2 * chi2 pi E h)) by ring.
rewrite <- !Rows_scal. apply Rows_ext. intro h. unfold x0. rewrite solution_slope by exact N. field. lra.
Qed.
End Policy.

(* The gradient is the derivative of the mean log-likelihood of demonstrated answers, in a softmax over each row's tokens. *)
Theorem token_gradient (E : tokens) (z : R -> tokens) (z' : tokens) nE (w : list nat -> R) t L :
  (forall h, Sum (m h) (E h) = 1) -> (forall h v, is_derive (fun x => z x h v) t (z' h v)) ->
  is_derive (fun x => nE * Tok E L nil (path (fun h v => w h * ln (softmax (m h) (z x h) v)))) t
    (sft_slope (fun h => softmax (m h) (z t h)) E nE w L z').
Proof.
intros ES D. apply is_derive_scal. set (g := fun h => w h * Sum (m h) (fun v => (E h v - softmax (m h) (z t h) v) * z' h v)).
assert (X : forall L h d, is_derive (fun x => path (fun h v => w h * ln (softmax (m h) (z x h) v)) h) t d ->
  is_derive (fun x => Tok E L h (path (fun h v => w h * ln (softmax (m h) (z x h) v)))) t (d + Rows E L h g)).
{ clear L. induction L as [|L I]; intros h d Hd; simpl; [evar_last; [exact Hd | symmetry; apply Rplus_0_r]|]. evar_last.
  - apply (Sum_derive (m h) (fun x v => E h v * Tok E L (v :: h) (path (fun h v => w h * ln (softmax (m h) (z x h) v))))
      (fun v => E h v * (w h * score (m h) (z' h) (softmax (m h) (z t h)) v + d + Rows E L (v :: h) g))).
    intros v Hv. apply is_derive_scal, I. simpl. apply (sum_derive (fun x => w h * ln (softmax (m h) (z x h) v))); [|exact Hd].
    apply is_derive_scal. apply (softmax_log_derive (m h) ltac:(lia) (fun x => z x h) (z' h)); [exact Hv | intros; apply D].
  - rewrite (Sum_ext _ _ (fun v => (w h * (E h v * z' h v) + (d - w h * Sum (m h) (fun k => softmax (m h) (z t h) k * z' h k)) * E h v)
      + E h v * Rows E L (v :: h) g)) by (intros; unfold score; ring).
    rewrite !Sum_plus, !Sum_scal, ES. unfold g at 2. rewrite (Sum_ext _ (fun v => (E h v - _) * _)
      (fun v => E h v * z' h v - softmax (m h) (z t h) v * z' h v)) by (intros; ring). rewrite Sum_minus. ring. }
assert (Z : is_derive (fun _ : R => 0) t 0) by apply @is_derive_const. specialize (X L nil 0 Z). rewrite Rplus_0_l in X. exact X.
Qed.
End Tokens.

(* Independent tokens: alphabet, probabilities and directions depend on the position alone, i.e. a row for each position. *)
Definition at_position {A} (f : nat -> A) : list nat -> A := fun h => f (length h).

Section Independent.
Variables (M : nat -> nat) (P D : nat -> nat -> R).
Hypothesis P_sum : forall i, Sum (M i) (P i) = 1.
Hypothesis D_sum : forall i, Sum (M i) (D i) = 1.
Hypothesis P_pos : forall i v, (v < M i)%nat -> 0 < P i v.
Notation m := (at_position M).
Notation pi := (at_position P).
Notation E := (at_position D).
Definition row_chi2 i := Sum (M i) (fun v => D i v ^ 2 / P i v) - 1.

(* C4: with independent tokens the energy is n_E^2/n times the sum over positions of w_i^2 chi2_i; *)
Theorem row_energy n nE (w : nat -> R) L : 0 < n ->
  let solves X := forall Y, n * Tok m pi L nil (fun l => score_of m pi (at_position X) l * score_of m pi (at_position Y) l)
    = sft_slope m pi E nE (at_position w) L (at_position Y) in
  (exists X, solves X)
  /\ forall X, solves X -> sft_slope m pi E nE (at_position w) L (at_position X) = nE ^ 2 / n * Sum L (fun i => w i ^ 2 * row_chi2 i).
Proof.
intros N solves.
assert (ps : forall h, Sum (m h) (pi h) = 1) by (intro; apply P_sum). assert (es : forall h, Sum (m h) (E h) = 1) by (intro; apply D_sum).
assert (pp : forall h v, (v < m h)%nat -> 0 < pi h v) by (intros h v; apply P_pos).
set (X0 := fun i v => nE * w i / n * 1 * (D i v / P i v)).
assert (S0 : at_position X0 = solution pi E n nE (at_position w) (fun _ => 1)) by reflexivity.
assert (H0 : forall Y, n * Tok m pi L nil (fun l => score_of m pi (at_position X0) l * score_of m pi (at_position Y) l)
  = sft_slope m pi E nE (at_position w) L (at_position Y)).
{ intro Y. rewrite token_scores by exact ps. unfold sft_slope. replace (score_of m pi (at_position X0) nil) with 0 by reflexivity.
  rewrite Rmult_0_l, Rplus_0_l.
  rewrite (Rows_depth m E es _ (fun i => w i * Sum (M i) (fun v => (D i v - P i v) * Y i v))) by reflexivity.
  rewrite (Rows_depth m pi ps _ (fun i => nE / n * (w i * Sum (M i) (fun v => (D i v - P i v) * Y i v)))).
  - rewrite <- !Sum_scal. apply Sum_ext; intros i _. field. lra.
  - intro h. apply Rmult_eq_reg_l with n; [|lra]. rewrite S0, solution_row by assumption. unfold at_position. field. lra. }
split; [exists X0; exact H0|]. intros X H. rewrite <- H0.
rewrite (Tok_ext m pi _ (fun l => score_of m pi (at_position X) l * score_of m pi (at_position X0) l)) by (intros; ring).
rewrite H. unfold sft_slope. rewrite S0.
rewrite (Rows_depth m E es _ (fun i => nE / n * (w i ^ 2 * row_chi2 i))).
- rewrite <- !Sum_scal. apply Sum_ext; intros i _. field. lra.
- intro h. rewrite solution_slope by assumption. unfold at_position, chi2, row_chi2. field. lra.
Qed.

(* in proportion to the number of tokens if these are alike. *)
Corollary row_energy_alike n nE w c L : (forall i, (i < L)%nat -> w i ^ 2 * row_chi2 i = c) ->
  nE ^ 2 / n * Sum L (fun i => w i ^ 2 * row_chi2 i) = INR L * (nE ^ 2 / n * c).
Proof.
intro H. rewrite (Sum_ext L _ (fun _ => c)) by exact H.
assert (X : Sum L (fun _ => c) = INR L * c) by (clear; induction L; [simpl; ring | rewrite S_INR; simpl; rewrite IHL; ring]). rewrite X. ring.
Qed.

(* C4-tree: if policies have a row for every prefix, the energy of independent tokens is n_E^2/n (prod (1 + chi2_i) - 1), *)
Fixpoint Prod n (f : nat -> R) := match n with O => 1 | S n => Prod n f * f n end.

Lemma row_chi2_nonneg i : 0 <= row_chi2 i.
Proof.
assert (X : row_chi2 i = Sum (M i) (fun v => (D i v - P i v) ^ 2 / P i v)); [|rewrite X].
- rewrite (Sum_ext _ _ (fun v => D i v ^ 2 / P i v - 2 * D i v + P i v)) by (intros v Hv; pose proof (P_pos i v Hv); field; lra).
  rewrite Sum_plus, Sum_minus, Sum_scal, D_sum, P_sum. unfold row_chi2. ring.
- apply Sum_nonneg; intros v Hv. apply Rmult_le_pos; [apply pow2_ge_0 | apply Rlt_le, Rinv_0_lt_compat, P_pos, Hv].
Qed.

Lemma Prod_first n f : Prod (S n) f = f 0%nat * Prod n (fun i => f (S i)).
Proof. induction n; simpl in *; [ring|]. rewrite IHn. ring. Qed.

Theorem independent_energy L : Tok m pi L nil (fun l => ratio pi E l ^ 2) = Prod L (fun i => 1 + row_chi2 i)
  /\ Sum L row_chi2 <= Prod L (fun i => 1 + row_chi2 i) - 1
  /\ forall c, (forall i, (i < L)%nat -> row_chi2 i = c) -> Prod L (fun i => 1 + row_chi2 i) = (1 + c) ^ L.
Proof.
split; [|split].
- assert (X : forall L h, Tok m pi L h (fun l => ratio pi E l ^ 2) = ratio pi E h ^ 2 * Prod L (fun i => 1 + row_chi2 (length h + i))).
  { clear L. induction L as [|L I]; intro h; [simpl; ring|]. rewrite Prod_first, Nat.add_0_r. simpl Tok.
    rewrite (Sum_ext _ _ (fun v => (D (length h) v ^ 2 / P (length h) v) * (ratio pi E h ^ 2 * Prod L (fun i => 1 + row_chi2 (length h + S i))))).
    - rewrite Sum_scal_r. unfold row_chi2 at 2. unfold at_position at 1. ring.
    - intros v Hv. rewrite I. pose proof (P_pos (length h) v Hv). unfold ratio; simpl chance. fold (ratio pi E h). unfold at_position. simpl length.
      assert (EQ : forall k, Prod k (fun i => 1 + row_chi2 (S (length h) + i)) = Prod k (fun i => 1 + row_chi2 (length h + S i))).
      { induction k; [reflexivity|]. cbn [Prod]. rewrite IHk. replace (length h + S k)%nat with (S (length h) + k)%nat by lia. reflexivity. }
      rewrite EQ. field. lra. }
  rewrite X. simpl. unfold ratio; simpl. ring.
- induction L as [|L I]; simpl; [lra|]. pose proof (row_chi2_nonneg L). assert (1 <= Prod L (fun i => 1 + row_chi2 i)).
  { clear I. induction L as [|L J]; simpl; [lra|]. pose proof (row_chi2_nonneg L). pose proof (J (row_chi2_nonneg L)). nra. }
  nra.
- intros c H. induction L as [|L I]; [reflexivity|]. simpl. rewrite I by (intros; apply H; lia). rewrite H by lia. ring.
Qed.

(* D3-resample: independent tokens with log-ratios lr and weights w, L of them. The full gradient of their penalty has energy
   beta^2 n S, S the variance of the weighted log-ratio of an answer: the sum over positions. *)
Theorem penalised_tokens (lam : nat -> nat -> R) n beta L : 0 < n ->
  let Lam := path (at_position lam) in let K := Tok m pi L nil Lam in let S := Tok m pi L nil (fun l => Lam l ^ 2) - K ^ 2 in
  let slope Y := n * Tok m pi L nil (fun l => - beta * Lam l * score_of m pi (at_position Y) l) in
  let solves X := forall Y, n * Tok m pi L nil (fun l => score_of m pi (at_position X) l * score_of m pi (at_position Y) l) = slope Y in
  (exists X, solves X) /\ (forall X, solves X -> slope X = beta ^ 2 * (n * S))
  /\ K = Sum L (fun i => Sum (M i) (fun v => P i v * lam i v))
  /\ S = Sum L (fun i => Sum (M i) (fun v => P i v * (lam i v - Sum (M i) (fun v => P i v * lam i v)) ^ 2)).
Proof.
intros N Lam K S slope solves. assert (ps : forall h, Sum (m h) (pi h) = 1) by (intro; apply P_sum).
set (k := Sum L (fun i => Sum (M i) (fun v => P i v * lam i v))).
assert (C : forall l, Lam l = score_of m pi (at_position lam) l + Sum (length l) (fun i => Sum (M i) (fun v => P i v * lam i v))).
{ induction l as [|v h I]; unfold Lam, score_of in *; simpl in *; [ring|]. rewrite I. unfold mean, at_position. ring. }
assert (C' : forall l, length l = (L + 0)%nat -> Lam l = score_of m pi (at_position lam) l + k) by (intros l Hl; rewrite C, Hl, Nat.add_0_r; reflexivity).
assert (KK : K = k).
{ unfold K. rewrite (Tok_ext m pi _ (fun l => score_of m pi (at_position lam) l + k)) by exact C'.
  rewrite Tok_plus, token_mean, Tok_const by exact ps. unfold score_of; simpl. ring. }
set (B := fun x y => Tok m pi L nil (fun l => score_of m pi x l * score_of m pi y l)).
assert (SB : S = B (at_position lam) (at_position lam)).
{ unfold S, B. rewrite (Tok_ext m pi (fun l => Lam l ^ 2) (fun l => score_of m pi (at_position lam) l * score_of m pi (at_position lam) l
    + (2 * k * score_of m pi (at_position lam) l + k ^ 2))) by (intros l Hl; rewrite C' by exact Hl; ring).
  rewrite !Tok_plus, Tok_scal, token_mean, Tok_const, KK by exact ps. unfold score_of at 3; simpl. ring. }
assert (G : forall Y, Tok m pi L nil (fun l => - beta * Lam l * score_of m pi (at_position Y) l) = - beta * B (at_position lam) (at_position Y)).
{ intro Y. unfold B. rewrite (Tok_ext m pi _ (fun l => - beta * (score_of m pi (at_position lam) l * score_of m pi (at_position Y) l)
    + - beta * k * score_of m pi (at_position Y) l)) by (intros l Hl; rewrite C' by exact Hl; ring).
  rewrite Tok_plus, !Tok_scal, token_mean by exact ps. unfold score_of at 3; simpl. ring. }
assert (SY : forall x y, B x y = B y x) by (intros; apply Tok_ext; intros; ring).
split; [|split; [|split; [exact KK|]]].
- exists (fun i v => - beta * lam i v). intro Y. unfold slope. rewrite G. f_equal. unfold B. rewrite <- Tok_scal. apply Tok_ext. intros l _.
  assert (X : forall l, score_of m pi (at_position (fun i v => - beta * lam i v)) l = - beta * score_of m pi (at_position lam) l).
  { clear l. induction l as [|v h I]; [unfold score_of; simpl; ring|]. rewrite !score_cons, I. unfold mean, at_position.
    rewrite (Sum_ext _ _ (fun v => - beta * (P (length h) v * lam (length h) v))) by (intros; ring). rewrite Sum_scal. ring. }
  rewrite X. ring.
- intros X H. unfold solves, slope in *. rewrite G. pose proof (H lam) as HL. rewrite G in HL. fold (B (at_position X) (at_position lam)) in HL. rewrite SY, SB.
  apply Rmult_eq_reg_l in HL; [|lra]. rewrite HL. ring.
- rewrite SB. unfold B. rewrite token_scores by exact ps. replace (score_of m pi (at_position lam) nil) with 0 by reflexivity.
  rewrite (Rows_depth m pi ps _ (fun i => Sum (M i) (fun v => P i v * (lam i v - Sum (M i) (fun v => P i v * lam i v)) ^ 2))).
  + ring.
  + intro h. apply Sum_ext; intros v _. unfold mean, at_position. ring.
Qed.
End Independent.

(* C4: the decision after an answer has an energy in which tokens do not occur: visits, stop probabilities and w_d alone. *)
Theorem sft_decision_energy n nE pi piE s sE v x : 0 < n -> 0 < pi -> 0 < s < 1 ->
  n * pi * (s * (1 - s)) * x = nE * (v * piE * (sE - s)) ->
  nE * (v * piE * (sE - s)) * x = (nE * (v * piE)) ^ 2 / (n * pi) * ((sE - s) ^ 2 / (s * (1 - s))).
Proof.
intros N P S H. assert (K : 0 < n * pi) by (apply Rmult_lt_0_compat; assumption). assert (Q : 0 < s * (1 - s)) by (apply Rmult_lt_0_compat; lra).
assert (X : x = nE * (v * piE * (sE - s)) / (n * pi * (s * (1 - s)))) by (rewrite <- H; field; lra). rewrite X. field. lra.
Qed.

(* D3-resample: every answer of a chain carries a penalty with mean K, the chain's own probabilities are the reference's. With logits in
   tables, x and xd the directions that solve F x = gradient of - beta n K, S the variance of an answer's penalty: *)
Theorem resample_energy n z tau beta K S (x xd : nat -> R) : (0 < n)%nat ->
  let pi := softmax n z in let s y := sigmoid (tau y) in let q := again n pi s in let N := turns n pi s 1 in
  (forall j d, (j < n)%nat -> is_derive (fun u => - beta * K * turns n (softmax n (upd z j u)) s 1) (z j) d ->
     N * (pi j * (x j - Sum n (fun i => pi i * x i))) = d) ->
  (forall j d, (j < n)%nat -> is_derive (fun u => - beta * K * turns n pi (fun y => sigmoid (upd tau j u y)) 1) (tau j) d ->
     N * pi j * (s j * (1 - s j)) * xd j = d) ->
  let e_s := Sum n (fun j => N * (pi j * (x j - Sum n (fun i => pi i * x i))) * x j) in
  let e_d := Sum n (fun j => N * pi j * (s j * (1 - s j)) * xd j * xd j) in
  e_d = beta ^ 2 * K ^ 2 * N ^ 3 * Sum n (fun y => pi y * (s y * (1 - s y)))
  /\ e_s + beta ^ 2 * (N * S) + e_d = beta ^ 2 * (N * S + q * N ^ 2 * K ^ 2).
Proof.
intros Hn pi s q N HS HD e_s e_d. set (r := - beta * K) in *. set (c := fun _ : nat => r).
assert (T : policy n pi s /\ ends n pi s 1) by (apply (table_policy n z tau 1 Hn); lra). destruct T as [P En].
assert (Q1 : 0 <= q < 1) by (pose proof (discounted_in n pi s 1 P En) as D; fold q in D; lra).
assert (NV : N = 1 / (1 - q)) by (unfold N, turns; fold q; rewrite Rmult_1_l; reflexivity).
assert (RW : forall p t, Sum n p = 1 -> value n p t c c 1 = r * turns n p t 1).
{ intros p t Hp. unfold value, turns, turn_reward, c. rewrite (Sum_ext n _ (fun y => p y * r)) by (intros; ring).
  rewrite Sum_scal_r, Hp. unfold Rdiv. ring. }
set (V := value n pi s c c 1). assert (VV : V = r * N) by (apply RW, P).
set (A := fun y => Q_answer s c c 1 V y - V).
assert (QV : Sum n (fun y => pi y * Q_answer s c c 1 V y) = V) by (symmetry; apply (bellman_unique n pi s c c 1 V P En); reflexivity).
assert (N0 : 0 < N) by (rewrite NV; apply Rdiv_lt_0_compat; lra).
assert (GS : forall j, (j < n)%nat -> N * (pi j * (x j - Sum n (fun i => pi i * x i))) = N * (pi j * A j)).
{ intros j Hj. apply HS; [exact Hj|]. apply is_derive_ext with (fun u => value n (softmax n (upd z j u)) s c c 1).
  - intro u. apply RW, softmax_sum, Hn.
  - apply (sampling_gradient n z tau c c 1 Hn); [lra | exact Hj]. }
assert (GD : forall j, (j < n)%nat -> N * pi j * (s j * (1 - s j)) * xd j = N * pi j * (s j * (1 - s j) * (- V))).
{ intros j Hj. apply HD; [exact Hj|]. apply is_derive_ext with (fun u => value n pi (fun y => sigmoid (upd tau j u y)) c c 1).
  - intro u. apply RW, P.
  - evar_last; [apply (decision_gradient n z tau c c 1 Hn); [lra | exact Hj]|]. unfold V, N, s, pi, c. ring. }
assert (PP : forall j, (j < n)%nat -> 0 < pi j) by (intros; apply softmax_pos, Hn).
assert (SS : forall j, 0 < s j < 1) by (intro; apply sigmoid_in).
set (D := Sum n (fun y => pi y * (s y * (1 - s y)))).
assert (ED : e_d = N * Sum n (fun y => pi y * (s y * (1 - s y) * (c y - (c y + 1 * V)) ^ 2))).
{ unfold e_d. rewrite <- Sum_scal. apply Sum_ext; intros j Hj. pose proof (PP j Hj). rewrite GD by exact Hj.
  assert (W : 0 < N * pi j) by (apply Rmult_lt_0_compat; assumption).
  rewrite (energy_logistic (s j) (- V) (N * pi j) (N * pi j) (xd j) (SS j)) by (apply GD, Hj || lra). unfold c. field. lra. }
assert (ES : e_s = N * Sum n (fun y => pi y * A y ^ 2)).
{ unfold e_s. rewrite (Sum_ext n _ (fun j => N * (pi j * A j) * x j)) by (intros j Hj; rewrite GS by exact Hj; reflexivity).
  rewrite (energy_softmax n pi A N N x PP (proj1 P)); [field; lra | lra | | exact GS].
  unfold A. rewrite (Sum_ext n _ (fun y => pi y * Q_answer s c c 1 V y - V * pi y)) by (intros; ring).
  rewrite Sum_minus, Sum_scal, QV, (proj1 P). ring. }
split.
- rewrite ED. fold D. rewrite (Sum_ext n _ (fun y => V ^ 2 * (pi y * (s y * (1 - s y))))) by (intros; ring). rewrite Sum_scal. fold D.
  rewrite VV. unfold r. ring.
- set (M := (r ^ 2 + 2 * q * r * V) / (1 - q)).
  destruct (energy_second_moments n pi s c c 1 M P En ltac:(fold q; lra)) as [EN _].
  + fold V. rewrite (Sum_ext n _ (fun y => r ^ 2 * pi y + (2 * r * V + M) * (pi y * (1 - s y)))) by (intros; unfold c; ring).
    rewrite Sum_plus, !Sum_scal, (proj1 P). fold (again n pi s). fold q. unfold M. field. lra.
  + fold V q N in EN. fold (A) in EN. assert (X : e_s + e_d = beta ^ 2 * (q * N ^ 2 * K ^ 2)).
    { rewrite ES, ED, <- Rmult_plus_distr_l. transitivity (N ^ 2 / (1 / (1 - q)) * (Sum n (fun y => pi y * A y ^ 2)
        + Sum n (fun y => pi y * (s y * (1 - s y) * (c y - (c y + 1 * V)) ^ 2)))); [rewrite NV; field; lra|].
      etransitivity; [exact EN|]. unfold M. rewrite VV, NV. unfold r. field. lra. }
    lra.
Qed.

(* With L tokens alike, K = L k and S = L v, the decisions' share of this energy tends to a number in (0, 1], which is 1 exactly if all
   answers are resampled alike. *)
Theorem resample_share n pi s beta k v : policy n pi s -> (forall y, (y < n)%nat -> 0 < pi y) -> (forall y, (y < n)%nat -> 0 < s y < 1) ->
  0 < beta -> k <> 0 -> 0 <= v ->
  let q := again n pi s in let N := turns n pi s 1 in let D := Sum n (fun y => pi y * (s y * (1 - s y))) in
  let share L := beta ^ 2 * (INR L * k) ^ 2 * N ^ 3 * D / (beta ^ 2 * (N * (INR L * v) + q * N ^ 2 * (INR L * k) ^ 2)) in
  is_lim_seq share (D / (q * (1 - q))) /\ 0 < D / (q * (1 - q)) <= 1
  /\ (D / (q * (1 - q)) = 1 <-> forall i j, (i < n)%nat -> (j < n)%nat -> s i = s j).
Proof.
intros P Pp Ss B K V q N D share. assert (H := proj1 P). assert (Hn : (0 < n)%nat) by (destruct n; [simpl in H; lra | lia]).
assert (Q0 : 0 < q) by (apply Sum_pos; [exact Hn|]; intros y Hy; pose proof (Ss y Hy); apply Rmult_lt_0_compat; [apply Pp, Hy | lra]).
assert (Q1 : q < 1) by (apply (again_lt_1 n pi s 0 P Hn); [apply Pp, Hn | apply Ss, Hn]).
assert (NV : N = 1 / (1 - q)) by (unfold N, turns; fold q; rewrite Rmult_1_l; reflexivity).
assert (D0 : 0 < D) by (apply Sum_pos; [exact Hn|]; intros y Hy; pose proof (Ss y Hy); apply Rmult_lt_0_compat; [apply Pp, Hy | nra]).
assert (K2 : 0 < k ^ 2) by (apply pow2_gt_0, K). assert (QQ : 0 < q * (1 - q)) by (apply Rmult_lt_0_compat; lra).
set (m := Sum n (fun y => pi y * s y)). assert (MQ : m = 1 - q).
{ unfold q, again. rewrite <- H at 1. rewrite <- Sum_minus. apply Sum_ext; intros; ring. }
assert (VAR : q * (1 - q) - D = Sum n (fun y => pi y * (s y - m) ^ 2)).
{ pose proof (variance n pi s H) as X. cbv zeta in X. fold m in X. rewrite X. clear X. unfold D. rewrite (Sum_ext n (fun y => pi y * (s y * (1 - s y))) (fun y => pi y * s y - pi y * s y ^ 2))
    by (intros; ring). rewrite Sum_minus. fold m. rewrite MQ. ring. }
assert (V0 : 0 <= Sum n (fun y => pi y * (s y - m) ^ 2)).
{ apply Sum_nonneg; intros y Hy. apply Rmult_le_pos; [apply Rlt_le, Pp, Hy | apply pow2_ge_0]. }
split; [|split; [split|]].
- apply is_lim_seq_incr_1. set (c := v * (1 - q) / (q * k ^ 2)).
  assert (C : 0 <= c) by (apply Rmult_le_pos; [nra | apply Rlt_le, Rinv_0_lt_compat, Rmult_lt_0_compat; assumption]).
  apply is_lim_seq_ext with (fun L => D / (q * (1 - q)) * (1 - c * / (INR (S L) + c))).
  + intro L. unfold share, c. assert (I : 0 < INR (S L)) by (apply lt_0_INR; lia). set (l := INR (S L)) in *. clearbody l.
    rewrite NV. assert (0 <= v * (1 - q)) by nra. assert (0 < l * (q * k ^ 2)) by (apply Rmult_lt_0_compat; [exact I | apply Rmult_lt_0_compat; assumption]).
    field. repeat split; try lra; try nra.
  + replace (Finite (D / (q * (1 - q)))) with (Finite (D / (q * (1 - q)) * (1 - c * 0))) by (f_equal; ring).
    apply is_lim_seq_mult'; [apply is_lim_seq_const|]. apply is_lim_seq_minus'; [apply is_lim_seq_const|].
    apply is_lim_seq_mult'; [apply is_lim_seq_const|].
    apply (is_lim_seq_inv (fun L => INR (S L) + c) p_infty); [|discriminate].
    apply (is_lim_seq_plus (fun L => INR (S L)) (fun _ => c) p_infty c); [apply -> is_lim_seq_incr_1; apply is_lim_seq_INR | apply is_lim_seq_const | reflexivity].
- apply Rdiv_lt_0_compat; assumption.
- apply Rmult_le_reg_r with (q * (1 - q)); [exact QQ|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
- assert (ONE : D / (q * (1 - q)) = 1 <-> q * (1 - q) - D = 0).
  { split; intro X; [|replace D with (q * (1 - q)) by lra; field; lra].
    assert (D / (q * (1 - q)) * (q * (1 - q)) = D) by (field; lra). rewrite X in H0. lra. }
  rewrite ONE, VAR. split.
  + intros Z i j Hi Hj. assert (E : forall y, (y < n)%nat -> s y = m).
    { intros y Hy. pose proof (Sum_zero_each n _ ltac:(intros u Hu; apply Rmult_le_pos; [apply Rlt_le, Pp, Hu | apply pow2_ge_0]) Z y Hy) as X.
      cbv beta in X. pose proof (Pp y Hy). apply Rmult_integral in X. destruct X as [X|X]; [lra|]. nra. }
    rewrite (E i Hi), (E j Hj). reflexivity.
  + intro A. apply Sum_zero. intros y Hy. assert (m = s y); [|subst m; rewrite H0; ring].
    unfold m. rewrite (Sum_ext n _ (fun i => s y * pi i)) by (intros i Hi; rewrite (A i y Hi Hy); ring). rewrite Sum_scal, H. ring.
Qed.

(* E1-tokens: reward Q of whole answers less beta times the log-ratios of their tokens, for policies p that are free at every prefix. *)
Section Optimal.
Variables (m : list nat -> nat) (ref p : list nat -> nat -> R) (Q : list nat -> R) (beta : R).
Hypothesis ref_pos : forall h v, (v < m h)%nat -> 0 < ref h v.
Hypothesis ref_sum : forall h, Sum (m h) (ref h) = 1.
Hypothesis beta_pos : 0 < beta.
Hypothesis p_sum : forall h, Sum (m h) (p h) = 1.
Definition log_ratio := path (fun h v => ln (p h v / ref h v)).
Definition partition L h := Tok m ref L h (fun l => exp (Q l / beta)).
Definition earnings L h := Tok m p L h (fun l => Q l - beta * log_ratio l).

Lemma partition_pos L : forall h, 0 < partition L h.
Proof.
induction L as [|L I]; intro h; [apply exp_pos|]. unfold partition; simpl. apply Sum_pos.
- pose proof (ref_sum h) as H. destruct (m h); [simpl in H; lra | lia].
- intros v Hv. apply Rmult_lt_0_compat; [apply ref_pos, Hv | apply I].
Qed.

(* No token policy earns more than beta log Z, Z the reference's mean of exp(Q/beta) over whole answers; and if it earns that, its
   answers have the probabilities ref(y) exp(Q(y)/beta)/Z: their numbers of tokens do not enter. *)
Theorem token_optimum L : (forall h v, (v < m h)%nat -> 0 <= p h v) ->
  earnings L nil <= beta * ln (partition L nil)
  /\ (earnings L nil = beta * ln (partition L nil) ->
      Answers m L nil (fun l => chance p l = chance ref l * exp (Q l / beta) / partition L nil)).
Proof.
intro P. assert (X : forall L h, earnings L h <= beta * ln (partition L h) - beta * log_ratio h
  /\ (earnings L h = beta * ln (partition L h) - beta * log_ratio h ->
      Answers m L h (fun l => chance p l * (chance ref h * partition L h) = chance p h * (chance ref l * exp (Q l / beta))))).
{ clear L. induction L as [|L I]; intro h.
  - unfold earnings, partition; simpl. rewrite ln_exp. split; [right; field; lra | intros _; ring].
  - set (U := fun v => beta * ln (partition L (v :: h))).
    assert (SU : soft (m h) (ref h) beta U = beta * ln (partition (S L) h)).
    { unfold soft, mass. f_equal. f_equal. unfold partition at 1; simpl. apply Sum_ext; intros v Hv. f_equal. unfold U.
      replace (beta * ln (partition L (v :: h)) / beta) with (ln (partition L (v :: h))) by (field; lra). apply exp_ln, partition_pos. }
    destruct (stage_optimum (m h) (ref h) beta (ref_pos h) (ref_sum h) beta_pos U (p h) (p_sum h) (P h)) as [O OE]. rewrite SU in O, OE.
    assert (PE : penalised (m h) (ref h) beta U (p h) - beta * log_ratio h
      = Sum (m h) (fun v => p h v * (beta * ln (partition L (v :: h)) - beta * log_ratio (v :: h)))).
    { unfold penalised. rewrite <- (Rmult_1_r (beta * log_ratio h)), <- (p_sum h), <- Sum_scal, <- Sum_minus. apply Sum_ext; intros v _.
      unfold U, log_ratio; simpl. ring. }
    assert (T : forall v, (v < m h)%nat -> p h v * earnings L (v :: h) <= p h v * (beta * ln (partition L (v :: h)) - beta * log_ratio (v :: h))).
    { intros v Hv. apply Rmult_le_compat_l; [apply P, Hv | apply I]. }
    pose proof (Sum_le (m h) _ _ T) as B. rewrite <- PE in B. change (Sum (m h) (fun v => p h v * earnings L (v :: h))) with (earnings (S L) h) in B.
    split; [lra|]. intro EQ. assert (EP : penalised (m h) (ref h) beta U (p h) = beta * ln (partition (S L) h)) by lra.
    pose proof (proj1 OE EP) as TI. simpl. intros v Hv.
    assert (TV : p h v = ref h v * partition L (v :: h) / partition (S L) h).
    { rewrite (TI v Hv). unfold tilt. pose proof SU as SU'. unfold soft in SU'. apply Rmult_eq_reg_l in SU'; [|lra].
      apply ln_inv in SU'; [|apply mass_pos; [apply ref_pos | apply ref_sum] | apply partition_pos]. rewrite SU'. f_equal. f_equal. unfold U.
      replace (beta * ln (partition L (v :: h)) / beta) with (ln (partition L (v :: h))) by (field; lra). apply exp_ln, partition_pos. }
    pose proof (partition_pos L (v :: h)) as Z1. pose proof (partition_pos (S L) h) as Z2. pose proof (ref_pos h v Hv) as R.
    assert (PV : 0 < p h v) by (rewrite TV; apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat|]; assumption).
    assert (EV : earnings L (v :: h) = beta * ln (partition L (v :: h)) - beta * log_ratio (v :: h)).
    { assert (NZ : forall i, (i < m h)%nat -> 0 <= p h i * (beta * ln (partition L (i :: h)) - beta * log_ratio (i :: h)) - p h i * earnings L (i :: h))
        by (intros i Hi; pose proof (T i Hi); lra).
      assert (Z : Sum (m h) (fun i => p h i * (beta * ln (partition L (i :: h)) - beta * log_ratio (i :: h)) - p h i * earnings L (i :: h)) = 0).
      { rewrite Sum_minus, <- PE. change (Sum (m h) (fun v => p h v * earnings L (v :: h))) with (earnings (S L) h). lra. }
      pose proof (Sum_zero_each (m h) _ NZ Z v Hv) as Y. apply Rmult_eq_reg_l with (p h v); lra. }
    destruct (I (v :: h)) as [_ J]. apply (Answers_imp m _ _ L) with (2 := J EV). intros l K. simpl in K.
    apply Rmult_eq_reg_r with (ref h v * partition L (v :: h)); [|apply Rgt_not_eq, Rmult_lt_0_compat; assumption].
    transitivity (partition (S L) h * (chance p l * (ref h v * chance ref h * partition L (v :: h)))); [ring|]. rewrite K, TV. field. lra. }
destruct (X L nil) as [A B]. unfold log_ratio in A, B. simpl in A, B. rewrite Rmult_0_r, Rminus_0_r in A, B. split; [exact A|].
intro EQ. pose proof (partition_pos L nil) as Z. apply (Answers_imp m _ _ L) with (2 := B EQ). intros l K. simpl in K.
apply Rmult_eq_reg_r with (partition L nil); [|lra]. unfold Rdiv. rewrite (Rmult_assoc _ (/ partition L nil)), Rinv_l by lra. lra.
Qed.

(* The penalties of an answer's tokens add up to that of the answer; and a policy with these probabilities of answers earns beta log Z. *)
Theorem token_attained L : (forall h v, (v < m h)%nat -> 0 < p h v) ->
  Answers m L nil (fun l => log_ratio l = ln (chance p l / chance ref l))
  /\ (Answers m L nil (fun l => chance p l = chance ref l * exp (Q l / beta) / partition L nil) ->
      earnings L nil = beta * ln (partition L nil)).
Proof.
intro P. assert (A : forall L h, 0 < chance p h -> 0 < chance ref h -> log_ratio h = ln (chance p h / chance ref h) ->
  Answers m L h (fun l => 0 < chance ref l /\ log_ratio l = ln (chance p l / chance ref l))).
{ clear L. induction L as [|L I]; intros h C D H; simpl; [split; assumption|]. intros v Hv. pose proof (P h v Hv). pose proof (ref_pos h v Hv).
  apply I; simpl; try (apply Rmult_lt_0_compat; assumption). unfold log_ratio in *; simpl. rewrite H, !ln_div, !ln_mult
    by (try apply Rmult_lt_0_compat; assumption). ring. }
specialize (A L nil ltac:(simpl; lra) ltac:(simpl; lra)). unfold log_ratio at 1 in A; simpl in A.
specialize (A ltac:(rewrite <- ln_1; f_equal; field)). split.
- apply (Answers_imp m _ _ L) with (2 := A). tauto.
- intro B. pose proof (partition_pos L nil) as Z. set (z := partition L nil) in *. clearbody z.
  unfold earnings. rewrite <- (Tok_const m p p_sum (beta * ln z) L nil).
  revert A B. generalize (@nil nat). induction L as [|L I]; intro h; simpl.
  + intros [R H] C. rewrite H, C. replace (chance ref h * exp (Q h / beta) / z / chance ref h) with (exp (Q h / beta) / z) by (field; lra).
    rewrite ln_div, ln_exp by (apply exp_pos || exact Z). field. lra.
  + intros J K. apply Sum_ext; intros v Hv. f_equal. apply I; auto.
Qed.
End Optimal.
