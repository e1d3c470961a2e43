(* Groups of independent responses, continued: a response against what is left of its group without it. Baselines per turn, deviations of
   the others, and groups that are drawn again; for groups of any size and any number of prompts. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List.
From Kernel Require Import Sums Groups.
Open Scope R_scope.

Section Group.
Variables (n : nat) (p : nat -> R).
Hypothesis sums : Sum n p = 1.
Notation E := (mean_of_groups n p).
Notation mean := (mean n p).

Lemma total_ext f g l : (forall i, In i l -> f i = g i) -> total f l = total g l.
Proof.
intro H. induction l as [|i l I]; simpl; [reflexivity|]. rewrite (H i (or_introl eq_refl)), I; [reflexivity|]. intros j J. apply H. right. exact J.
Qed.
Lemma total_plus f g l : total (fun i => f i + g i) l = total f l + total g l.
Proof. induction l as [|i l I]; simpl; [ring|]. rewrite I. ring. Qed.
Lemma total_scal c f l : total (fun i => c * f i) l = c * total f l.
Proof. induction l as [|i l I]; simpl; [ring|]. rewrite I. ring. Qed.

(* What responses get for themselves and for two sums over the others of their group is G times what one of them gets. *)
Lemma one_of_group r q G : forall phi : nat -> R -> R -> R,
  E (S G) (fun l => total (fun i => phi i (total r l - r i) (total q l - q i)) l)
  = INR (S G) * mean (fun i => E G (fun l => phi i (total r l) (total q l))).
Proof.
induction G as [|G I]; intro phi.
- simpl. rewrite Rmult_1_l. apply Sum_ext; intros i _. rewrite !Rplus_0_r, !Rminus_eq_0. reflexivity.
- transitivity (Sum n (fun j => p j * (E (S G) (fun l => phi j (total r l) (total q l))
    + INR (S G) * mean (fun i => E G (fun l => phi i (r j + total r l) (q j + total q l)))))).
  + change (E (S (S G))) with (fun F => Sum n (fun j => p j * E (S G) (fun l => F (j :: l)))). cbv beta. apply Sum_ext; intros j _. f_equal.
    rewrite <- (I (fun i a b => phi i (r j + a) (q j + b))), <- E_plus. apply E_ext. intros l _. cbn [total]. f_equal.
    * f_equal; ring.
    * apply total_ext. intros i _. f_equal; ring.
  + rewrite (Sum_ext n _ (fun j => p j * E (S G) (fun l => phi j (total r l) (total q l))
      + INR (S G) * (p j * mean (fun i => E G (fun l => phi i (r j + total r l) (q j + total q l)))))) by (intros; ring).
    rewrite Sum_plus, Sum_scal.
    replace (Sum n (fun j => p j * mean (fun i => E G (fun l => phi i (r j + total r l) (q j + total q l)))))
      with (mean (fun i => E (S G) (fun l => phi i (total r l) (total q l)))).
    * rewrite (S_INR (S G)). unfold Groups.mean. ring.
    * unfold Groups.mean. rewrite (Sum_ext n (fun j => p j * Sum n _) (fun j => Sum n (fun i => p j * (p i * E G (fun l => phi i (r j + total r l) (q j + total q l)))))).
      -- rewrite Sum_swap. apply Sum_ext; intros i _. cbn [mean_of_groups total]. rewrite <- Sum_scal. apply Sum_ext; intros; ring.
      -- intros. rewrite Sum_scal. reflexivity.
Qed.

(* 0/1 rewards: how many of a group are right, and how often none or all are. *)
Definition is a b : R := if Req_EM_T a b then 1 else 0.
Lemma is_same a : is a a = 1.
Proof. unfold is. destruct (Req_EM_T a a); [reflexivity | contradiction]. Qed.
Lemma is_other a b : a <> b -> is a b = 0.
Proof. intro H. unfold is. destruct (Req_EM_T a b); [contradiction | reflexivity]. Qed.
Lemma is_iff a b c d : (a = b <-> c = d) -> is a b = is c d.
Proof. intro H. unfold is. destruct (Req_EM_T a b), (Req_EM_T c d); tauto. Qed.
Definition binary (r : nat -> R) := forall i, r i = 0 \/ r i = 1.

Lemma total_count r l : binary r -> exists m, total r l = INR m /\ (m <= length l)%nat.
Proof.
intro B. induction l as [|i l [m [E M]]]; [exists 0%nat; split; [reflexivity | simpl; lia]|]. simpl. rewrite E. destruct (B i) as [-> | ->].
- exists m. split; [ring | lia].
- exists (S m). split; [rewrite S_INR; ring | lia].
Qed.

Lemma reached v l i : binary v -> In i l -> v i = 1 -> total v l <> 0.
Proof.
intros B. induction l as [|j l I]; [intros []|]. intros [-> | J] V; simpl; destruct (total_count v l B) as [m [E _]].
- rewrite V, E. pose proof (pos_INR m). lra.
- pose proof (I J V) as N. rewrite E in *. pose proof (pos_INR m). destruct (B j) as [-> | ->]; lra.
Qed.

Lemma flip_mean r : mean (fun i => 1 - r i) = 1 - mean r.
Proof. unfold Groups.mean. rewrite (Sum_ext n _ (fun i => p i - p i * r i)) by (intros; ring). rewrite Sum_minus, sums. reflexivity. Qed.

Lemma none_right r G : binary r -> E G (fun l => is (total r l) 0) = (1 - mean r) ^ G.
Proof.
intro B. induction G as [|G I]; [apply is_same|]. cbn [mean_of_groups total].
rewrite (Sum_ext n _ (fun i => (p i * (1 - r i)) * (1 - mean r) ^ G)).
- rewrite Sum_scal_r. change (Sum n (fun i => p i * (1 - r i))) with (mean (fun i => 1 - r i)). rewrite flip_mean. reflexivity.
- intros i _. rewrite <- I, Rmult_assoc. f_equal. rewrite <- E_scal. apply E_ext. intros l _. destruct (total_count r l B) as [m [-> _]].
  destruct (B i) as [-> | ->]; [rewrite Rplus_0_l; ring|]. rewrite is_other; [ring|]. pose proof (pos_INR m). lra.
Qed.

Lemma all_right r G : binary r -> E G (fun l => is (total r l) (INR G)) = mean r ^ G.
Proof.
intro B. assert (W : binary (fun i => 1 - r i)) by (intro i; destruct (B i) as [-> | ->]; [right | left]; ring).
pose proof (none_right (fun i => 1 - r i) G W) as H. rewrite flip_mean in H. replace (1 - (1 - mean r)) with (mean r) in H by ring.
rewrite <- H. apply E_ext. intros l L. rewrite total_flip. unfold size. rewrite L. apply is_iff. lra.
Qed.

(* Groups of which some are right and some wrong. *)
Definition mixed G k := 1 - is k 0 - is k (INR G).
Lemma mixed_chance r G : binary r -> E G (fun l => mixed G (total r l)) = 1 - mean r ^ G - (1 - mean r) ^ G.
Proof.
intro B. unfold mixed. rewrite (E_ext n p G _ (fun l => 1 + ((-1) * is (total r l) 0 + (-1) * is (total r l) (INR G)))) by (intros; ring).
rewrite !E_plus, !E_scal, E_const, none_right, all_right by assumption. ring.
Qed.

Hypothesis positive : forall i, (i < n)%nat -> 0 <= p i.
Lemma E_le G : forall F F', (forall l, length l = G -> F l <= F' l) -> E G F <= E G F'.
Proof.
induction G as [|G I]; intros F F' H; simpl; [apply H; reflexivity|]. apply Sum_le; intros i Hi.
apply Rmult_le_compat_l; [apply positive, Hi|]. apply I. intros l L. apply H. simpl. lia.
Qed.

(* O4-turns: v says which responses reach a turn, f is the score of that turn, R any rewards. Against the mean reward of those of the
   group that reach it, the turn's part E[v R f] of the gradient has the weight w of the chance r of reaching it. *)
Definition of_turn (v R : nat -> R) (l : list nat) i := v i * (R i - total (fun j => v j * R j) l / total v l).
Definition turn_weight G r := 1 - (1 - (1 - r) ^ G) / (INR G * r).

Theorem turn_update v R f G : (0 < G)%nat -> binary v -> mean (fun i => v i * f i) = 0 -> let r := mean v in 0 < r ->
  E G (update (of_turn v R) f) = turn_weight G r * mean (fun i => v i * R i * f i).
Proof.
intros H B Z r P. destruct G as [|G]; [lia|]. clear H. pose proof (lt_0_INR (S G) (Nat.lt_0_succ G)) as G0. set (q := fun j => v j * R j).
assert (Inv : E G (fun l => / (1 + total v l)) = (1 - (1 - r) ^ S G) / (INR (S G) * r)).
{ pose proof (one_of_group v v G (fun i a _ => v i * / (1 + a))) as O. cbv beta in O.
  rewrite (E_ext n p (S G) _ (fun l => 1 + (-1) * is (total v l) 0)) in O.
  - rewrite E_plus, E_scal, E_const, none_right in O by assumption. fold r in O.
    unfold Groups.mean in O. rewrite (Sum_ext n _ (fun i => p i * v i * E G (fun l => / (1 + total v l)))) in O by (intros; rewrite E_scal; ring).
    rewrite Sum_scal_r in O. fold (mean v) r in O. replace (1 - (1 - r) ^ S G) with (1 + -1 * (1 - r) ^ S G) by ring. rewrite O. field. lra.
  - intros l _. rewrite (total_ext _ (fun i => / total v l * v i)).
    + rewrite total_scal. destruct (Req_dec (total v l) 0) as [-> | N]; [rewrite is_same, Rmult_0_r; ring|]. rewrite is_other by exact N. field. exact N.
    + intros i _. destruct (B i) as [-> | ->]; [ring|]. rewrite Rmult_1_l, Rmult_1_r. f_equal. ring. }
rewrite (E_ext n p (S G) _ (fun l => / INR (S G) * total (fun i => (fun i a b => v i * R i * f i * (1 - / (1 + a)) - v i * f i * (b / (1 + a))) i (total v l - v i) (total q l - q i)) l)).
- rewrite E_scal, (one_of_group v q G (fun i a b => v i * R i * f i * (1 - / (1 + a)) - v i * f i * (b / (1 + a)))).
  set (u := E G (fun l => / (1 + total v l))) in *. set (b := E G (fun l => total q l / (1 + total v l))).
  unfold Groups.mean at 1. rewrite (Sum_ext n _ (fun i => (1 - u) * (p i * (v i * R i * f i)) + (- b) * (p i * (v i * f i)))).
  + rewrite Sum_plus, !Sum_scal. fold (mean (fun i => v i * R i * f i)) (mean (fun i => v i * f i)). rewrite Z, Inv. unfold turn_weight. field. lra.
  + intros i _. rewrite (E_ext n p G _ (fun l => v i * R i * f i + ((- (v i * R i * f i)) * / (1 + total v l) + (- (v i * f i)) * (total q l / (1 + total v l))))) by (intros; ring).
    rewrite !E_plus, !E_scal, E_const by exact sums. fold u b. ring.
- intros l L. change (update (of_turn v R) f l) with (total (fun i => of_turn v R l i * f i) l / INR (length l)). rewrite L.
  unfold Rdiv at 1. rewrite (Rmult_comm _ (/ INR (S G))). f_equal. apply total_ext. intros i J. unfold of_turn. fold q.
  destruct (B i) as [X|X]; change (q i) with (v i * R i); rewrite X; [ring|]. replace (1 + (total v l - 1)) with (total v l) by ring.
  pose proof (reached v l i B J X). field. assumption.
Qed.
(* That weight, by the geometric sum: it grows with r, is (G - 1)/G where all reach the turn, and falls short of 1 by at most 1/(G r). *)
Lemma turn_weight_sum G r : r <> 0 -> (0 < G)%nat -> turn_weight G r = 1 - Sum G (fun k => (1 - r) ^ k) / INR G.
Proof. intros Z H. apply lt_0_INR in H. pose proof (first_success r G Z) as F. unfold kept in F. rewrite F. unfold turn_weight. field. lra. Qed.

Theorem turn_weight_bounds G r : (1 < G)%nat -> 0 < r <= 1 ->
  turn_weight G 1 = (INR G - 1) / INR G /\ 0 < turn_weight G r /\ 1 - turn_weight G r <= 1 / (INR G * r)
  /\ (forall s, r < s <= 1 -> turn_weight G r < turn_weight G s) /\ is_lim_seq (fun G => turn_weight G r) 1.
Proof.
intros H R. assert (G1 : 1 < INR G) by (apply lt_1_INR, H).
assert (Mono : forall s t, 0 <= s -> s < t <= 1 -> Sum G (fun k => (1 - t) ^ k) < Sum G (fun k => (1 - s) ^ k)).
{ intros s t S T. apply (Sum_lt_one G _ _ 1%nat H); [simpl; lra|]. intros k _. apply pow_incr. lra. }
assert (All : Sum G (fun k => (1 - 0) ^ k) = INR G).
{ rewrite (Sum_ext G _ (fun _ => 1)) by (intros; rewrite Rminus_0_r; apply pow1). clear. induction G as [|G I]; [reflexivity|]. rewrite S_INR. simpl. rewrite I. reflexivity. }
assert (Inv : 0 < / INR G) by (apply Rinv_0_lt_compat; lra). assert (GI : INR G * / INR G = 1) by (apply Rinv_r; lra).
assert (Q : 0 <= (1 - r) ^ G) by (apply pow_le; lra).
split; [|split; [|split; [|split]]].
- unfold turn_weight. replace (1 - 1) with 0 by ring. rewrite pow_i by lia. field. lra.
- rewrite turn_weight_sum by (lra || lia). pose proof (Mono 0 r ltac:(lra) ltac:(lra)) as M. rewrite All in M. unfold Rdiv. nra.
- unfold turn_weight. replace (1 - (1 - (1 - (1 - r) ^ G) / (INR G * r))) with (1 / (INR G * r) - (1 - r) ^ G / (INR G * r)) by (field; lra).
  assert (0 <= (1 - r) ^ G / (INR G * r)) by (apply Rmult_le_pos; [exact Q | apply Rlt_le, Rinv_0_lt_compat, Rmult_lt_0_compat; lra]). lra.
- intros s S. rewrite !turn_weight_sum by (lra || lia). pose proof (Mono r s ltac:(lra) ltac:(lra)). unfold Rdiv. nra.
- apply is_lim_seq_ext with (fun G => 1 - (1 - (1 - r) ^ G) * (/ r * / INR G)).
  + intro m. unfold turn_weight, Rdiv. rewrite Rinv_mult. ring.
  + replace (Finite 1) with (Finite (1 - (1 - 0) * (/ r * 0))) by (f_equal; ring).
    apply is_lim_seq_minus'; [apply is_lim_seq_const|]. apply is_lim_seq_mult'.
    * apply is_lim_seq_minus'; [apply is_lim_seq_const|]. apply is_lim_seq_geom. rewrite Rabs_pos_eq; lra.
    * apply is_lim_seq_mult'; [apply is_lim_seq_const|]. apply (is_lim_seq_inv INR p_infty); [apply is_lim_seq_INR | discriminate].
Qed.

(* O5-others: N others of a response, of which m are right. Their sample deviation, and what their mean and deviation leave of a reward. *)
Definition dev N m := sqrt ((m * (1 - m / INR N) ^ 2 + (INR N - m) * (0 - m / INR N) ^ 2) / (INR N - 1)).
Definition credit_of_others eps N own m := (own - m / INR N) / (dev N m + eps).

Lemma dev_bound N m : (2 <= N)%nat -> (0 < m < N)%nat -> 1 <= dev N (INR m) * sqrt (INR N).
Proof.
intros H [A B]. assert (N2 : 2 <= INR N) by (apply (le_INR 2), H). apply le_INR in A, B. rewrite S_INR in B. change (INR 1) with 1 in A.
unfold dev. replace ((INR m * (1 - INR m / INR N) ^ 2 + (INR N - INR m) * (0 - INR m / INR N) ^ 2) / (INR N - 1))
  with (INR m * (INR N - INR m) / (INR N * (INR N - 1))) by (field; lra). assert (Q : 1 / INR N <= INR m * (INR N - INR m) / (INR N * (INR N - 1))).
{ apply Rmult_le_reg_r with (INR N * (INR N - 1)); [apply Rmult_lt_0_compat; lra|].
  replace (1 / INR N * (INR N * (INR N - 1))) with (INR N - 1) by (field; lra).
  replace (INR m * (INR N - INR m) / (INR N * (INR N - 1)) * (INR N * (INR N - 1))) with (INR m * (INR N - INR m)) by (field; lra).
  assert (0 <= (INR m - 1) * (INR N - 1 - INR m)) by (apply Rmult_le_pos; lra). lra. }
assert (0 < 1 / INR N) by (apply Rdiv_lt_0_compat; lra).
rewrite <- sqrt_mult by lra. rewrite <- sqrt_1 at 1. apply sqrt_le_1_alt. apply Rmult_le_compat_r with (r := INR N) in Q; [|lra].
replace (1 / INR N * INR N) with 1 in Q by (field; lra). exact Q.
Qed.

Lemma dev_none N : dev N 0 = 0.
Proof. unfold dev. transitivity (sqrt 0); [f_equal | apply sqrt_0]. unfold Rdiv. ring. Qed.
Lemma dev_all N : 0 < INR N -> dev N (INR N) = 0.
Proof. intro H. unfold dev. transitivity (sqrt 0); [f_equal | apply sqrt_0]. replace (1 - INR N / INR N) with 0 by (field; lra). unfold Rdiv. ring. Qed.

(* A response that differs from others who agree has a credit of size 1/epsilon; any other has at most sqrt(N). *)
Theorem credit_sizes eps N m own : (2 <= N)%nat -> (m <= N)%nat -> 0 < eps -> own = 0 \/ own = 1 ->
  (own = 1 /\ m = 0%nat \/ own = 0 /\ m = N -> Rabs (credit_of_others eps N own (INR m)) = 1 / eps)
  /\ (~ (own = 1 /\ m = 0%nat \/ own = 0 /\ m = N) -> Rabs (credit_of_others eps N own (INR m)) <= sqrt (INR N)).
Proof.
intros H M E O. assert (N2 : 2 <= INR N) by (apply (le_INR 2), H). assert (S0 : 0 < sqrt (INR N)) by (apply sqrt_lt_R0; lra).
assert (IE : 0 < / eps) by (apply Rinv_0_lt_compat, E). unfold credit_of_others. split.
- intros [[-> ->] | [-> ->]].
  + rewrite dev_none. simpl. replace ((1 - 0 / INR N) / (0 + eps)) with (1 / eps) by (field; lra). apply Rabs_pos_eq. unfold Rdiv. lra.
  + rewrite dev_all by lra. replace ((0 - INR N / INR N) / (0 + eps)) with (- (1 / eps)) by (field; lra). rewrite Rabs_Ropp. apply Rabs_pos_eq. unfold Rdiv. lra.
- intro D. assert (Zero : own - INR m / INR N = 0 -> Rabs ((own - INR m / INR N) / (dev N (INR m) + eps)) <= sqrt (INR N)).
  { intros ->. unfold Rdiv. rewrite Rmult_0_l, Rabs_R0. lra. }
  destruct (Nat.eq_dec m 0) as [X|X]; [|destruct (Nat.eq_dec m N) as [Y|Y]].
  + apply Zero. destruct O as [-> | ->]; [subst; simpl; field; lra | tauto].
  + apply Zero. destruct O as [-> | ->]; [tauto | subst; field; lra].
  + pose proof (dev_bound N m H ltac:(lia)) as B. set (d := dev N (INR m)) in *.
    assert (D0 : 0 < d) by (destruct (Rle_lt_dec d 0); [nra | assumption]).
    assert (Sz : Rabs (own - INR m / INR N) <= 1).
    { assert (0 <= INR m / INR N <= 1); [|apply Rabs_le; destruct O as [-> | ->]; lra]. apply le_INR in M. pose proof (pos_INR m).
      split; [apply Rmult_le_pos; [lra | apply Rlt_le, Rinv_0_lt_compat; lra]|]. apply Rmult_le_reg_r with (INR N); [lra|].
      unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
    unfold Rdiv at 1. rewrite Rabs_mult, (Rabs_pos_eq (/ (d + eps))) by (apply Rlt_le, Rinv_0_lt_compat; lra).
    apply Rmult_le_reg_r with (d + eps); [lra|]. rewrite Rmult_assoc, Rinv_l by lra. nra.
Qed.

(* How often a group of N + 1 holds such a response. *)
Theorem alone_chance r N : (2 <= N)%nat -> binary r -> let x := mean r in
  E (S N) (fun l => is (total r l) 1 + is (total r l) (INR N)) = INR (S N) * (x * (1 - x) ^ N + (1 - x) * x ^ N)
  /\ forall l, length l = S N -> is (total r l) 1 + is (total r l) (INR N) = 0 \/ is (total r l) 1 + is (total r l) (INR N) = 1.
Proof.
intros H B x. assert (N2 : 2 <= INR N) by (apply (le_INR 2), H). split.
- pose proof (one_of_group r r N (fun i a _ => r i * is a 0 + (1 - r i) * is a (INR N))) as O. cbv beta in O.
  rewrite (E_ext n p (S N) _ (fun l => is (total r l) 1 + is (total r l) (INR N))) in O.
  + rewrite O. f_equal. unfold Groups.mean. rewrite (Sum_ext n _ (fun i => (p i * r i) * (1 - x) ^ N + (p i * (1 - r i)) * x ^ N)).
    * rewrite Sum_plus, !Sum_scal_r. fold (mean r). change (Sum n (fun i => p i * (1 - r i))) with (mean (fun i => 1 - r i)). rewrite flip_mean. reflexivity.
    * intros i _. rewrite E_plus, !E_scal, none_right, all_right by assumption. fold x. ring.
  + intros l L. rewrite (total_ext _ (fun i => is (total r l) 1 * r i + is (total r l) (INR N) * (1 - r i))).
    * rewrite total_plus, !total_scal, total_flip. unfold size. rewrite L, S_INR.
      unfold is. destruct (Req_EM_T (total r l) 1) as [->|], (Req_EM_T _ (INR N)) as [F|]; try rewrite F; lra.
    * intros i _. destruct (B i) as [-> | ->].
      -- rewrite (is_iff (total r l - 0) (INR N) (total r l) (INR N)) by lra. ring.
      -- rewrite (is_iff (total r l - 1) 0 (total r l) 1) by lra. ring.
- intros l _. unfold is. destruct (Req_EM_T (total r l) 1) as [->|], (Req_EM_T _ (INR N)); lra.
Qed.

(* The expected update: ((1 - x)^N + x^N)/epsilon times the gradient of x, and a multiple of it that is at most sqrt(N). *)
Theorem others_deviation r f N eps : (2 <= N)%nat -> binary r -> mean f = 0 -> 0 < eps -> let x := mean r in
  exists rest, 0 <= rest <= sqrt (INR N)
  /\ E (S N) (update (fun l i => credit_of_others eps N (r i) (total r l - r i)) f) = (((1 - x) ^ N + x ^ N) / eps + rest) * mean (fun i => r i * f i).
Proof.
intros H B Z P x. assert (N2 : 2 <= INR N) by (apply (le_INR 2), H). pose proof (lt_0_INR (S N) (Nat.lt_0_succ N)) as G0.
set (rest := E N (fun l => mixed N (total r l) / (dev N (total r l) + eps))). exists rest.
assert (W : E N (fun l => / (dev N (total r l) + eps)) = ((1 - x) ^ N + x ^ N) / eps + rest).
{ unfold rest. rewrite (E_ext n p N _ (fun l => / eps * is (total r l) 0 + (/ eps * is (total r l) (INR N) + mixed N (total r l) / (dev N (total r l) + eps)))).
  - rewrite !E_plus, !E_scal, none_right, all_right by assumption. fold x. field. lra.
  - intros l L. unfold mixed, is. destruct (Req_EM_T (total r l) 0) as [->|]; [rewrite dev_none; destruct (Req_EM_T 0 (INR N)); [lra|]; field; lra|].
    destruct (Req_EM_T (total r l) (INR N)) as [->|]; [rewrite dev_all by lra; field; lra|]. assert (0 <= dev N (total r l)) by apply sqrt_pos. field. lra. }
split.
- assert (V : forall l, length l = N -> 0 <= mixed N (total r l) / (dev N (total r l) + eps) <= sqrt (INR N)).
  { intros l L. destruct (total_count r l B) as [m [-> M]]. rewrite L in M. assert (0 <= sqrt (INR N)) by apply sqrt_pos. unfold mixed.
    assert (0 <= dev N (INR m)) by apply sqrt_pos.
    destruct (Nat.eq_dec m 0) as [-> | X]; [|destruct (Nat.eq_dec m N) as [-> | Y]].
    - change (INR 0) with 0. rewrite is_same, is_other by lra. unfold Rdiv. rewrite !Rminus_eq_0, Rminus_0_l, Ropp_0, Rmult_0_l || (replace (1 - 1 - 0) with 0 by ring; rewrite Rmult_0_l). lra.
    - rewrite is_same, is_other by lra. replace (1 - 0 - 1) with 0 by ring. unfold Rdiv. rewrite Rmult_0_l. lra.
    - rewrite !is_other by (try (apply not_INR, Y); apply not_0_INR, X). replace (1 - 0 - 0) with 1 by ring.
      pose proof (dev_bound N m H ltac:(lia)) as D. assert (Q : 0 < dev N (INR m) + eps) by lra.
      split; [apply Rlt_le, Rdiv_lt_0_compat; lra|]. apply Rmult_le_reg_r with (dev N (INR m) + eps); [exact Q|].
      unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. nra. }
  unfold rest. split.
  + rewrite <- (E_const n p sums N 0). apply E_le. intros l L. apply V, L.
  + rewrite <- (E_const n p sums N (sqrt (INR N))). apply E_le. intros l L. apply V, L.
- rewrite (E_ext n p (S N) _ (fun l => / INR (S N) * total (fun i => (fun i a b => credit_of_others eps N (r i) a * f i) i (total r l - r i) (total r l - r i)) l)).
  + rewrite E_scal, (one_of_group r r N (fun i a _ => credit_of_others eps N (r i) a * f i)).
    set (c := E N (fun l => total r l / INR N * / (dev N (total r l) + eps))).
    unfold Groups.mean at 1. rewrite (Sum_ext n _ (fun i => (((1 - x) ^ N + x ^ N) / eps + rest) * (p i * (r i * f i)) + (- c) * (p i * f i))).
    * rewrite Sum_plus, !Sum_scal. fold (mean f) (mean (fun i => r i * f i)). rewrite Z. field. lra.
    * intros i _. rewrite <- W. rewrite (E_ext n p N _ (fun l => (r i * f i) * / (dev N (total r l) + eps) + (- f i) * (total r l / INR N * / (dev N (total r l) + eps))))
        by (intros; unfold credit_of_others, Rdiv; ring).
      rewrite E_plus, !E_scal. fold c. ring.
  + intros l L. unfold update, size. rewrite L. unfold Rdiv at 1. apply Rmult_comm.
Qed.

(* Its first part, over 1/epsilon, is least at x = 1/2 and grows towards 0 and 1. *)
Theorem nearly_solved_weighs_most N x y : (2 <= N)%nat -> 1 / 2 <= x -> x < y <= 1 ->
  (1 - x) ^ N + x ^ N < (1 - y) ^ N + y ^ N /\ (1 - x) ^ N + x ^ N = (1 - (1 - x)) ^ N + (1 - x) ^ N.
Proof.
intros H X Y. split; [|replace (1 - (1 - x)) with x by ring; ring]. destruct N as [|[|N]]; try lia. clear H.
assert (P : 0 < y ^ S (S N) - x ^ S (S N) - ((1 - x) ^ S (S N) - (1 - y) ^ S (S N)) /\ 0 <= (1 - x) ^ S (S N) - (1 - y) ^ S (S N)); [|lra].
induction N as [|N [I J]].
- simpl. split; [|nra]. replace (_ - _) with (2 * ((y - x) * (x + y - 1))) by ring. repeat apply Rmult_lt_0_compat; lra.
- set (a := y ^ S (S N)) in *. set (b := x ^ S (S N)) in *. set (c := (1 - x) ^ S (S N)) in *. set (d := (1 - y) ^ S (S N)) in *.
  change (y ^ S (S (S N))) with (y * a). change (x ^ S (S (S N))) with (x * b). change ((1 - x) ^ S (S (S N))) with ((1 - x) * c). change ((1 - y) ^ S (S (S N))) with ((1 - y) * d).
  assert (D : d <= b) by (apply pow_incr; lra). assert (D0 : 0 <= d) by (apply pow_le; lra). split.
  + replace (y * a - x * b - ((1 - x) * c - (1 - y) * d)) with (y * (a - b - (c - d)) + (x + y - 1) * (c - d) + (y - x) * (b - d)) by ring.
    assert (0 < y * (a - b - (c - d))) by (apply Rmult_lt_0_compat; lra).
    assert (0 <= (x + y - 1) * (c - d)) by (apply Rmult_le_pos; lra). assert (0 <= (y - x) * (b - d)) by (apply Rmult_le_pos; lra). lra.
  + replace ((1 - x) * c - (1 - y) * d) with ((1 - x) * (c - d) + (y - x) * d) by ring.
    assert (0 <= (1 - x) * (c - d)) by (apply Rmult_le_pos; lra). assert (0 <= (y - x) * d) by (apply Rmult_le_pos; lra). lra.
Qed.
End Group.

(* O5-dynamic: prompts x < X with frequencies rho, each with responses of its own. A group whose rewards are all equal is drawn again,
   prompt included. h is any factor that depends on the number of right responses, as 1/std does; scale is the normaliser of all groups. *)
Section Redrawn.
Variables (X n G : nat) (rho : nat -> R) (p r f : nat -> nat -> R) (h : R -> R) (scale : R).
Hypothesis frequencies : Sum X rho = 1.
Hypothesis met : forall x, (x < X)%nat -> 0 < rho x.
Hypothesis prompts : (0 < X)%nat.
Hypothesis sums : forall x, Sum n (p x) = 1.
Hypothesis zero_one : forall x, binary (r x).
Hypothesis scores : forall x, mean n (p x) (f x) = 0.
Hypothesis between : forall x, (x < X)%nat -> 0 < mean n (p x) (r x) < 1.
Hypothesis groups : (1 < G)%nat.

Definition chance_right x := mean n (p x) (r x).
Definition slope x := mean n (p x) (fun i => r x i * f x i).
(* The weight of a prompt where all groups are kept: that of scaled_update in Groups.v, w_G of O5 for h = 1/std. *)
Definition kept_weight x := mean_of_groups n (p x) G (fun l => h (total (r x) l) * (total (r x) l * (INR G - total (r x) l)))
  / (INR G ^ 2 * (chance_right x * (1 - chance_right x))).
Definition group_update x l := scale * update (fun l i => h (total (r x) l) * centred (r x) l i) (f x) l.
(* One draw of a prompt and a group: its update if it is mixed; and the chance that it is. *)
Definition drawn := Sum X (fun x => rho x * mean_of_groups n (p x) G (fun l => mixed G (total (r x) l) * group_update x l)).
Definition P_mixed := Sum X (fun x => rho x * mean_of_groups n (p x) G (fun l => mixed G (total (r x) l))).

Theorem redrawn_update :
  P_mixed = Sum X (fun x => rho x * (1 - chance_right x ^ G - (1 - chance_right x) ^ G))
  /\ 0 < P_mixed < 1
  /\ drawn = Sum X (fun x => rho x * mean_of_groups n (p x) G (group_update x))
  /\ drawn = scale * Sum X (fun x => rho x * (kept_weight x * slope x))
  /\ is_series (fun k => (1 - P_mixed) ^ k * drawn) (scale * Sum X (fun x => rho x * (kept_weight x * slope x)) / P_mixed).
Proof.
pose proof (lt_INR _ _ groups) as G1. change (INR 1) with 1 in G1.
assert (A : P_mixed = Sum X (fun x => rho x * (1 - chance_right x ^ G - (1 - chance_right x) ^ G))).
{ apply Sum_ext; intros x _. f_equal. apply mixed_chance; [apply sums | apply zero_one]. }
assert (B : forall x, (x < X)%nat -> 0 < 1 - chance_right x ^ G - (1 - chance_right x) ^ G < 1).
{ intros x Hx. pose proof (between x Hx) as Y. fold (chance_right x) in Y. generalize dependent (chance_right x). intros y Y. clear - Y groups.
  assert (T : y ^ G + (1 - y) ^ G < 1).
  { destruct G as [|[|m]]; try lia. clear groups. induction m as [|m I]; [simpl; nra|].
    change (y * y ^ S (S m) + (1 - y) * (1 - y) ^ S (S m) < 1). pose proof (pow_lt y (S (S m)) ltac:(lra)). pose proof (pow_lt (1 - y) (S (S m)) ltac:(lra)). nra. }
  pose proof (pow_lt y G ltac:(lra)). pose proof (pow_lt (1 - y) G ltac:(lra)). lra. }
assert (C : 0 < P_mixed < 1).
{ rewrite A. split.
  - apply Sum_pos; [exact prompts|]. intros x Hx. apply Rmult_lt_0_compat; [apply met, Hx | apply B, Hx].
  - assert (Less : forall x, (x < X)%nat -> rho x * (1 - chance_right x ^ G - (1 - chance_right x) ^ G) < rho x).
    { intros x Hx. rewrite <- (Rmult_1_r (rho x)) at 2. apply Rmult_lt_compat_l; [apply met, Hx | apply B, Hx]. }
    apply Rlt_le_trans with (Sum X rho); [|lra]. apply (Sum_lt_one X _ _ 0%nat prompts); [apply Less, prompts | intros x Hx; apply Rlt_le, Less, Hx]. }
assert (D : forall x, (x < X)%nat -> mean_of_groups n (p x) G (group_update x) = scale * (kept_weight x * slope x)).
{ intros x Hx. unfold group_update. rewrite E_scal. f_equal.
  apply scaled_update; [apply sums | lia | apply zero_one | apply scores | apply between, Hx]. }
assert (F : forall x, (x < X)%nat ->
  mean_of_groups n (p x) G (fun l => mixed G (total (r x) l) * group_update x l) = mean_of_groups n (p x) G (group_update x)).
{ intros x Hx. rewrite (D x Hx).
  rewrite (E_ext n (p x) G _ (fun l => scale * update (fun l i => (fun k => mixed G k * h k) (total (r x) l) * centred (r x) l i) (f x) l)).
  - rewrite E_scal. f_equal. etransitivity; [apply (scaled_update n (p x) (sums x) G (r x) (f x) (fun k => mixed G k * h k) ltac:(lia) (zero_one x) (scores x) (between x Hx))|].
    unfold kept_weight. f_equal. f_equal. apply E_ext. intros l L. unfold mixed, is.
    destruct (Req_EM_T (total (r x) l) 0) as [-> | N0]; [ring|]. destruct (Req_EM_T (total (r x) l) (INR G)) as [-> | N1]; ring.
  - intros l L. unfold group_update, update. rewrite (total_ext (fun i => mixed G (total (r x) l) * h (total (r x) l) * centred (r x) l i * f x i)
      (fun i => mixed G (total (r x) l) * (h (total (r x) l) * centred (r x) l i * f x i))) by (intros; ring).
    rewrite total_scal. unfold Rdiv. ring. }
assert (H : drawn = Sum X (fun x => rho x * mean_of_groups n (p x) G (group_update x))).
{ apply Sum_ext; intros x Hx. f_equal. apply F, Hx. }
assert (I : drawn = scale * Sum X (fun x => rho x * (kept_weight x * slope x))).
{ rewrite H, <- Sum_scal. apply Sum_ext; intros x Hx. rewrite (D x Hx). ring. }
repeat (split; [assumption|]). rewrite I. set (U := scale * _).
apply is_series_ext with (fun k => U * (1 - P_mixed) ^ k); [intro k; apply Rmult_comm|].
replace (U / P_mixed) with (U * / (1 - (1 - P_mixed))) by (unfold Rdiv; f_equal; f_equal; ring).
apply (is_series_scal_l U (fun k => (1 - P_mixed) ^ k)), is_series_geom. rewrite Rabs_pos_eq; lra.
Qed.
End Redrawn.

(* The hypotheses can be met: one prompt, two responses that are equally likely, of which one is right, with scores 1 and -1. *)
Example fair_pair : let p := fun i => match i with O | 1%nat => 1 / 2 | _ => 0 end in let r := fun i => match i with O => 1 | _ => 0 end in
  let f := fun i => match i with O => 1 | _ => -1 end in
  Sum 2 p = 1 /\ binary r /\ mean 2 p f = 0 /\ mean 2 p r = 1 / 2 /\ mean 2 p (fun i => r i * f i) = 1 / 2 /\ Sum 1 (fun _ => 1) = 1.
Proof. unfold binary, mean. simpl. repeat split; try field. intros [|i]; [right | left]; reflexivity. Qed.
