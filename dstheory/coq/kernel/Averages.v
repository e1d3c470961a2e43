(* Token means: the update sum of credit times score over the number of tokens, of large batches and of large groups. Responses are
   countably many: of any number of attempts and of tokens. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List FunctionalExtensionality.
From Kernel Require Import Sums Expectation.
Open Scope R_scope.

Section Law.
Variables (A : Type) (ok : (A -> R) -> Prop) (M : (A -> R) -> R).
Hypothesis law : discrete ok M.
Notation spread := (spread A M).

(* A ratio of averages, the lower ones of numbers of at least 1 (tokens), is near the ratio of their means; so is what adds a remainder. *)
Theorem ratio_of_averages N x y (rest : list A -> R) : (0 < N)%nat -> (forall a, 1 <= y a) ->
  ok (fun a => x a ^ 2) -> ok (fun a => y a ^ 2) -> integrable ok M N rest -> let h := M x / M y in
  integrable ok M N (fun l => Rabs ((sum_of x l + INR N * rest l) / sum_of y l - h))
  /\ batches M N (fun l => Rabs ((sum_of x l + INR N * rest l) / sum_of y l - h))
     <= (spread x + 1 + Rabs h * (spread y + 1)) / 2 / sqrt (INR N) + batches M N (fun l => Rabs (rest l)).
Proof.
intros H Y X2 Y2 HR h. pose proof (square_ok A ok M law x X2) as X0. pose proof (square_ok A ok M law y Y2) as Y0. destruct law as [E _].
destruct (average_error A ok M law N x H X0 X2) as [IX BX]. destruct (average_error A ok M law N y H Y0 Y2) as [IY BY].
pose proof (integrable_abs A ok M N rest HR) as IR. apply lt_0_INR in H.
assert (MY : 1 <= M y) by (rewrite <- (proj2 (mean_const A ok M E 1)); apply (mean_le A ok M E); [apply (mean_const A ok M E) | exact Y0 | exact Y]).
destruct (batches_line A ok M law N 1 _ (Rabs h) _ 0 IX IY) as [J1 K1]. destruct (batches_line A ok M law N 1 _ 1 _ 0 J1 IR) as [J K].
match type of J with integrable _ _ _ ?B => assert (D : forall l, length l = N -> Rabs ((sum_of x l + INR N * rest l) / sum_of y l - h) <= B l) end.
{ intros l L. assert (T : INR N <= sum_of y l). { rewrite <- L. clear - Y. induction l as [|a l I]; [simpl; lra|]. change (length (a :: l)) with (S (length l)). rewrite S_INR. simpl. pose proof (Y a). lra. }
  set (s := sum_of y l) in *. assert (K0 : 0 < INR N / s <= 1).
  { split; [apply Rdiv_lt_0_compat; lra|]. apply Rmult_le_reg_r with s; [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
  replace ((sum_of x l + INR N * rest l) / s - h) with ((INR N / s) * ((sum_of x l / INR N - M x) + (- h) * (s / INR N - M y) + rest l)) by (unfold h; field; lra).
  rewrite Rabs_mult, (Rabs_pos_eq (INR N / s)) by lra. set (u := sum_of x l / INR N - M x). set (v := s / INR N - M y).
  pose proof (Rabs_triang (u + - h * v) (rest l)) as R1. pose proof (Rabs_triang u (- h * v)) as R2. rewrite Rabs_mult, Rabs_Ropp in R2.
  pose proof (Rabs_pos (u + - h * v + rest l)). set (q := Rabs (u + - h * v + rest l)) in *. nra. }
match goal with |- integrable _ _ _ ?F /\ _ => assert (IF : integrable ok M N F) end.
{ apply (bounded_integrable A ok M law N) with (1 := J). intros l L. rewrite Rabs_Rabsolu. apply D, L. }
split; [exact IF|]. eapply Rle_trans; [apply (batches_le A ok M law N _ _ IF J), D|]. rewrite K, K1. pose proof (Rabs_pos h).
assert (Rabs h * batches M N (fun l => Rabs (sum_of y l / INR N - M y)) <= Rabs h * ((spread y + 1) / 2 / sqrt (INR N))) by (apply Rmult_le_compat_l; assumption).
unfold Rdiv in *. lra.
Qed.

(* Markov: what is small on average is seldom large. *)
Lemma seldom_large N F delta : 0 < delta -> integrable ok M N F -> (forall l, 0 <= F l) ->
  integrable ok M N (fun l => if Rle_dec delta (F l) then 1 else 0) /\ batches M N (fun l => if Rle_dec delta (F l) then 1 else 0) <= batches M N F / delta.
Proof.
intros D I P. destruct (batches_discrete A ok M law N) as [[_ [S _]] _]. destruct (S (/ delta) F I) as [J E].
assert (B : forall l, 0 <= (if Rle_dec delta (F l) then 1 else 0) <= / delta * F l).
{ intro l. pose proof (Rinv_0_lt_compat delta D) as V. destruct (Rle_dec delta (F l)) as [L|L]; [|split; [lra | apply Rmult_le_pos; [lra | apply P]]].
  split; [lra|]. apply Rmult_le_reg_l with delta; [exact D|]. rewrite <- Rmult_assoc, Rinv_r; lra. }
assert (I1 : integrable ok M N (fun l => if Rle_dec delta (F l) then 1 else 0)).
{ apply (bounded_integrable A ok M law N) with (1 := J). intros l _. rewrite Rabs_pos_eq; apply B. }
split; [exact I1|]. unfold Rdiv. rewrite Rmult_comm, <- E. apply (batches_le A ok M law); [exact I1 | exact J | intros; apply B].
Qed.
End Law.

Lemma over_root c : is_lim_seq (fun N => c / sqrt (INR N)) 0.
Proof.
replace (Finite 0) with (Rbar_mult c 0) by (simpl; f_equal; ring). apply is_lim_seq_scal_l with (u := fun N => / sqrt (INR N)).
apply (is_lim_seq_inv _ p_infty); [|discriminate].
apply (is_lim_comp_seq sqrt INR p_infty p_infty (is_lim_sqrt_p (fun x => x) p_infty (is_lim_id p_infty))); [exists 0%nat; intros; discriminate | apply is_lim_seq_INR].
Qed.

(* What has a mean and tends to h in mean: on average, and so in probability. *)
Definition tends {A} ok (M : (A -> R) -> R) (U : list A -> R) h :=
  (forall N, integrable ok M N U)
  /\ is_lim_seq (fun N => batches M N (fun l => Rabs (U l - h))) 0
  /\ is_lim_seq (fun N => batches M N U) h
  /\ forall delta, 0 < delta -> is_lim_seq (fun N => batches M N (fun l => if Rle_dec delta (Rabs (U l - h)) then 1 else 0)) 0.

Lemma tends_by {A} ok (M : (A -> R) -> R) U h c : discrete ok M ->
  (forall N, (0 < N)%nat -> integrable ok M N (fun l => Rabs (U l - h)) /\ batches M N (fun l => Rabs (U l - h)) <= c / sqrt (INR N)) -> tends ok M U h.
Proof.
intros E H. assert (IA : forall N, integrable ok M N (fun l => Rabs (U l - h))) by (intros [|N]; [exact I | apply H; lia]).
assert (Z : forall N, 0 <= batches M N (fun l => Rabs (U l - h))) by (intro N; apply (batches_nonneg A ok M E); [apply IA | intros; apply Rabs_pos]).
assert (IU : forall N, integrable ok M N U).
{ intro N. destruct (batches_line A ok M E N 1 _ 0 _ (Rabs h) (IA N) (IA N)) as [J _]. apply (bounded_integrable A ok M E N) with (1 := J).
  intros l _. pose proof (Rabs_triang (U l - h) h) as T. replace (U l - h + h) with (U l) in T by ring. lra. }
assert (L1 : is_lim_seq (fun N => batches M N (fun l => Rabs (U l - h))) 0).
{ apply is_lim_seq_incr_1. apply is_lim_seq_le_le with (u := fun _ => 0) (w := fun N => c / sqrt (INR (S N))).
  - intro N. split; [apply Z | apply H; lia].
  - apply is_lim_seq_const.
  - apply (is_lim_seq_incr_1 (fun N => c / sqrt (INR N))), over_root. }
split; [exact IU|]. split; [exact L1|]. split.
- apply is_lim_seq_ext with (fun N => (batches M N U - h) + h); [intro; ring|].
  replace (Finite h) with (Finite (0 + h)) by (f_equal; ring). apply is_lim_seq_plus'; [|apply is_lim_seq_const].
  apply is_lim_seq_abs_0. apply is_lim_seq_le_le with (u := fun _ => 0) (w := fun N => batches M N (fun l => Rabs (U l - h))); [|apply is_lim_seq_const | exact L1].
  intro N. split; [apply Rabs_pos|].
  assert (D : forall k, k = 1 \/ k = -1 -> k * (batches M N U - h) <= batches M N (fun l => Rabs (U l - h))).
  { intros k K. destruct (batches_line A ok M E N k U 0 U (- (k * h)) (IU N) (IU N)) as [J F].
    replace (k * (batches M N U - h)) with (k * batches M N U + 0 * batches M N U + - (k * h)) by ring. rewrite <- F.
    apply (batches_le A ok M E); [exact J | apply IA|]. intros l _.
    destruct K as [-> | ->]; [pose proof (Rle_abs (U l - h)); lra | pose proof (Rle_abs (- (U l - h))) as Q; rewrite Rabs_Ropp in Q; lra]. }
  apply Rabs_le. pose proof (D 1 ltac:(left; reflexivity)). pose proof (D (-1) ltac:(right; reflexivity)). lra.
- intros delta P. apply is_lim_seq_le_le with (u := fun _ => 0) (w := fun N => / delta * batches M N (fun l => Rabs (U l - h))).
  + intro N. destruct (seldom_large A ok M E N _ delta P (IA N) ltac:(intro; apply Rabs_pos)) as [J B]. split; [|rewrite Rmult_comm; exact B].
    apply (batches_nonneg A ok M E); [exact J | intros l _; destruct (Rle_dec _ _); lra].
  + apply is_lim_seq_const.
  + replace (Finite 0) with (Rbar_mult (/ delta) 0) by (simpl; f_equal; ring). apply is_lim_seq_scal_l, L1.
Qed.

Lemma sum_of_scal {A} c (f : A -> R) l : sum_of (fun a => c * f a) l = c * sum_of f l.
Proof. induction l as [|a l I]; simpl; [ring|]. rewrite I. ring. Qed.
Lemma sum_of_centred {A} (r f : A -> R) b l : sum_of (fun a => (r a - b) * f a) l = sum_of (fun a => r a * f a) l - b * sum_of f l.
Proof. induction l as [|a l I]; simpl; [ring|]. rewrite I. ring. Qed.

(* Responses: i has the probability p i, r is the reward, f a component of the score, t >= 1 the number of tokens. *)
Section Responses.
Variables (p r f t : nat -> R).
Hypothesis positive : forall i, 0 <= p i.
Hypothesis sums : is_series p 1.
Notation E := (series_mean p).
Definition finite_variance f := summable p (fun i => f i ^ 2).
Hypothesis score : E f = 0.
Hypothesis tokens : forall i, 1 <= t i.
Hypothesis credits_vary : finite_variance (fun i => r i * f i).
Hypothesis scores_vary : finite_variance f.
Hypothesis lengths_vary : finite_variance t.
Notation slope := (E (fun i => r i * f i)).
Let law : discrete (summable p) E := countable p positive sums.
Let own : expectation (summable p) E := proj1 law.

(* O7: with any constant baseline J the token mean over a batch tends to grad J/E[L]. *)
Theorem batch_token_mean J : tends (summable p) E (fun l => sum_of (fun i => (r i - J) * f i) l / sum_of t l) (slope / E t).
Proof.
set (x := fun i => (r i - J) * f i). pose proof (square_ok _ _ _ law _ credits_vary) as C1. pose proof (square_ok _ _ _ law f scores_vary) as F1.
assert (EX : E x = slope).
{ destruct (mean_line _ _ _ own 1 _ (- J) f 0 C1 F1) as [_ L]. rewrite score in L. replace slope with (1 * slope + - J * 0 + 0) by ring. rewrite <- L.
  f_equal. extensionality i. unfold x. ring. }
assert (X2 : summable p (fun i => x i ^ 2)).
{ destruct (mean_line _ _ _ own 2 _ (2 * J ^ 2) _ 0 credits_vary scores_vary) as [L _]. apply (bounded_ok _ _ _ law) with (1 := L). intro i.
  rewrite Rabs_pos_eq by apply pow2_ge_0. unfold x. pose proof (pow2_ge_0 (r i * f i + J * f i)). nra. }
rewrite <- EX. apply tends_by with ((spread _ E x + 1 + Rabs (E x / E t) * (spread _ E t + 1)) / 2); [exact law|].
intros N H. destruct (ratio_of_averages _ _ _ law N x t (fun _ => 0) H tokens X2 lengths_vary (proj1 (batches_const _ _ _ law N 0))) as [I B].
assert (S : (fun l => Rabs ((sum_of x l + INR N * 0) / sum_of t l - E x / E t)) = (fun l => Rabs (sum_of x l / sum_of t l - E x / E t)))
  by (extensionality l; rewrite Rmult_0_r, Rplus_0_r; reflexivity).
rewrite S in I, B. split; [exact I|]. eapply Rle_trans; [exact B|]. rewrite Rabs_R0, (proj2 (batches_const _ _ _ law N 0)). right. ring.
Qed.

(* O7-groups: the token mean over one group, with the group's own mean as baseline, tends to grad J_x/E[L | x] as the group grows. *)
Hypothesis rewards_vary : finite_variance r.
Theorem group_token_mean : tends (summable p) E (fun l => sum_of (fun i => (r i - sum_of r l / INR (length l)) * f i) l / sum_of t l) (slope / E t).
Proof.
set (x := fun i => r i * f i). pose proof (square_ok _ _ _ law x credits_vary) as X1. pose proof (square_ok _ _ _ law f scores_vary) as F1. pose proof (square_ok _ _ _ law r rewards_vary) as R1.
apply tends_by with ((spread _ E x + 1 + Rabs (E x / E t) * (spread _ E t + 1)) / 2 + (E (fun i => r i ^ 2) + E r ^ 2 + E (fun i => f i ^ 2)) / 2); [exact law|].
intros N H. pose proof (lt_0_INR N H) as N0. set (w := sqrt (INR N)). assert (W : 0 < w) by (apply sqrt_lt_R0, N0). assert (WW : w * w = INR N) by (apply sqrt_sqrt; lra).
set (rest := fun l : list nat => - (sum_of r l / INR N * (sum_of f l / INR N))).
assert (Sq : forall g, (fun i : nat => g i * g i) = (fun i => g i ^ 2)) by (intro; extensionality i; ring).
destruct (batch_product _ _ _ law N r r R1 R1 ltac:(rewrite Sq; exact rewards_vary)) as [IR BR]. rewrite Sq in BR.
destruct (batch_product _ _ _ law N f f F1 F1 ltac:(rewrite Sq; exact scores_vary)) as [IF BF]. rewrite Sq, score in BF.
destruct (batches_line _ _ _ law N (/ (2 * w * INR N ^ 2)) _ (w / (2 * INR N ^ 2)) _ 0 IR IF) as [J K].
match type of J with integrable _ _ _ ?B => assert (D : forall l, length l = N -> Rabs (rest l) <= B l) end.
{ intros l _. unfold rest. rewrite Rabs_Ropp, Rabs_mult. unfold Rdiv. rewrite !Rabs_mult, (Rabs_pos_eq (/ INR N)) by (apply Rlt_le, Rinv_0_lt_compat, N0).
  replace (sum_of r l * sum_of r l) with (Rabs (sum_of r l) ^ 2) by (rewrite pow2_abs; ring). replace (sum_of f l * sum_of f l) with (Rabs (sum_of f l) ^ 2) by (rewrite pow2_abs; ring).
  generalize (Rabs (sum_of r l)) (Rabs (sum_of f l)). intros a b. apply Rmult_le_reg_r with (2 * w * INR N ^ 2); [apply Rmult_lt_0_compat; [lra | apply pow_lt, N0]|].
  replace (a * / INR N * (b * / INR N) * (2 * w * INR N ^ 2)) with (2 * a * (w * b)) by (field; lra).
  replace ((/ (2 * w * INR N ^ 2) * a ^ 2 + w * / (2 * INR N ^ 2) * b ^ 2 + 0) * (2 * w * INR N ^ 2)) with (a ^ 2 + (w * b) ^ 2) by (field; lra).
  pose proof (pow2_ge_0 (a - w * b)). lra. }
assert (IRest : integrable (summable p) E N rest) by (apply (bounded_integrable _ _ _ law N) with (1 := J), D).
assert (RB : batches E N (fun l => Rabs (rest l)) <= (E (fun i => r i ^ 2) + E r ^ 2 + E (fun i => f i ^ 2)) / 2 / w).
{ eapply Rle_trans; [apply (batches_le _ _ _ law N _ _ (integrable_abs _ _ _ N _ IRest) J), D|]. rewrite K, BR, BF.
  assert (P2 : 0 <= E (fun i => r i ^ 2)) by (apply (mean_nonneg _ _ _ own); [exact rewards_vary | intro; apply pow2_ge_0]).
  assert (N1 : 1 <= INR N) by (apply (le_INR 1); lia). pose proof (pow2_ge_0 (E r)) as E2.
  apply Rmult_le_reg_r with (2 * w * INR N); [apply Rmult_lt_0_compat; lra|].
  replace ((E (fun i => r i ^ 2) + E r ^ 2 + E (fun i => f i ^ 2)) / 2 / w * (2 * w * INR N)) with (INR N * E (fun i => r i ^ 2) + INR N * E r ^ 2 + INR N * E (fun i => f i ^ 2)) by (field; lra).
  replace ((/ (2 * w * INR N ^ 2) * (INR N * E (fun i => r i ^ 2) + INR N * (INR N - 1) * (E r * E r)) + w / (2 * INR N ^ 2) * (INR N * E (fun i => f i ^ 2) + INR N * (INR N - 1) * (0 * 0)) + 0) * (2 * w * INR N))
    with (E (fun i => r i ^ 2) + (INR N - 1) * E r ^ 2 + w * w * E (fun i => f i ^ 2)) by (field; lra). rewrite WW. nra. }
destruct (ratio_of_averages _ _ _ law N x t rest H tokens credits_vary lengths_vary IRest) as [I B]. cbv zeta in B.
assert (X : forall l, length l = N -> Rabs ((sum_of x l + INR N * rest l) / sum_of t l - E x / E t)
  = Rabs (sum_of (fun i => (r i - sum_of r l / INR (length l)) * f i) l / sum_of t l - E x / E t)).
{ intros l L. f_equal. f_equal. f_equal. rewrite sum_of_centred, L. unfold rest, x. field. lra. }
split; [apply (integrable_ext _ _ _ law N) with (1 := I), X|]. rewrite <- (batches_ext _ E N _ _ X). eapply Rle_trans; [exact B|].
eapply Rle_trans; [apply Rplus_le_compat_l, RB|]. fold w. right. field. lra.
Qed.
End Responses.

(* O7 with several prompts: x < X is met with frequency rho x, and has responses of its own; G of them make a group. *)
Section PromptGroups.
Variables (X G : nat) (rho : nat -> R) (p r f t : nat -> nat -> R).
Hypothesis frequencies : Sum X rho = 1.
Hypothesis met : forall x, (x < X)%nat -> 0 <= rho x.
Hypothesis positive : forall x i, 0 <= p x i.
Hypothesis sums : forall x, is_series (p x) 1.
Notation E x := (series_mean (p x)).
Hypothesis scores : forall x, E x (f x) = 0.
Hypothesis tokens : forall x i, 1 <= t x i.
Hypothesis credits_vary : forall x, finite_variance (p x) (fun i => r x i * f x i).
Hypothesis scores_vary : forall x, finite_variance (p x) (f x).
Hypothesis lengths_vary : forall x, finite_variance (p x) (t x).
Hypothesis rewards_vary : forall x, finite_variance (p x) (r x).
Hypothesis groups : (0 < G)%nat.
Let law x : discrete (summable (p x)) (E x) := countable (p x) (positive x) (sums x).

Definition grouped (F : nat * list nat -> R) := Sum X (fun x => rho x * batches (E x) G (fun l => F (x, l))).
Definition of_groups (F : nat * list nat -> R) := forall x, integrable (summable (p x)) (E x) G (fun l => F (x, l)).
Definition gradient := Sum X (fun x => rho x * E x (fun i => r x i * f x i)).
Definition length_mean := Sum X (fun x => rho x * E x (t x)).
(* Credit times score of a group of prompt x, with the group's mean as baseline, and its tokens, of which a group has at least one. *)
Definition credited (a : nat * list nat) := let (x, l) := a in sum_of (fun i => (r x i - sum_of (r x) l / INR (length l)) * f x i) l.
Definition counted (a : nat * list nat) := let (x, l) := a in Rmax 1 (sum_of (t x) l).

Lemma grouped_law : discrete of_groups grouped.
Proof.
unfold of_groups, grouped. split; [split; [|split; [|split]]|].
- intro c. split; [intro x; apply (batches_const _ _ _ (law x))|].
  rewrite (Sum_ext X _ (fun x => rho x * c)) by (intros x _; f_equal; apply (batches_const _ _ _ (law x))). rewrite Sum_scal_r, frequencies. ring.
- intros c F H. split; [intro x; apply (batches_discrete _ _ _ (law x) G), H|]. rewrite <- Sum_scal. apply Sum_ext. intros x _.
  destruct (batches_discrete _ _ _ (law x) G) as [[_ [S _]] _]. rewrite (proj2 (S c _ (H x))). ring.
- intros F F' H H'. split; [intro x; apply (batches_discrete _ _ _ (law x) G); [apply H | apply H']|]. rewrite <- Sum_plus. apply Sum_ext. intros x _.
  destruct (batches_discrete _ _ _ (law x) G) as [[_ [_ [P _]]] _]. rewrite (proj2 (P _ _ (H x) (H' x))). ring.
- intros F F' H H' L. apply Sum_le. intros x I. apply Rmult_le_compat_l; [apply met, I|]. apply (batches_le _ _ _ (law x)); [apply H | apply H' | intros; apply L].
- intros F F' H L x. destruct (batches_discrete _ _ _ (law x) G) as [_ B]. apply B with (1 := H x). intro l. apply L.
Qed.

Lemma counted_tokens x l : length l = G -> counted (x, l) = sum_of (t x) l.
Proof.
intro L. unfold counted. apply Rmax_right. destruct l as [|i l]; [simpl in L; lia|]. clear L. simpl.
assert (0 <= sum_of (t x) l) by (induction l as [|j l I]; simpl; [lra | pose proof (tokens x j); lra]). pose proof (tokens x i). lra.
Qed.

(* The square of a sum of G numbers is at most G times the sum of their squares. *)
Lemma square_of_sum {A} (g : A -> R) l : sum_of g l ^ 2 <= INR (length l) * sum_of (fun a => g a ^ 2) l.
Proof.
assert (P : forall l, 0 <= sum_of (fun a => g a ^ 2) l) by (induction l0 as [|b k I]; simpl; [lra | pose proof (pow2_ge_0 (g b)); simpl in *; lra]).
induction l as [|a l I]; [simpl; lra|]. change (length (a :: l)) with (S (length l)). rewrite S_INR.
change ((g a + sum_of g l) ^ 2 <= (INR (length l) + 1) * (g a ^ 2 + sum_of (fun a => g a ^ 2) l)).
pose proof (pos_INR (length l)) as Q. pose proof (P l) as S0. revert I S0 Q. generalize (INR (length l)) (sum_of g l) (sum_of (fun a => g a ^ 2) l) (g a).
intros n s q u I S0 Q. destruct (Req_dec n 0) as [->|Z].
- assert (s = 0) as -> by (apply Rsqr_0_uniq; unfold Rsqr; pose proof (pow2_ge_0 s); lra). lra.
- assert (2 * u * s <= n * u ^ 2 + q); [|lra]. apply Rmult_le_reg_l with n; [lra|]. pose proof (pow2_ge_0 (n * u - s)). lra.
Qed.

Lemma credited_square : of_groups (fun a => credited a ^ 2).
Proof.
intro x. set (c := fun i => r x i * f x i). pose proof (law x) as K. pose proof (lt_0_INR G groups) as G0.
destruct (batch_sum _ _ _ K G _ (credits_vary x)) as [I1 _].
assert (C : summable (p x) (fun i => r x i ^ 2 * f x i ^ 2)).
{ replace (fun i => r x i ^ 2 * f x i ^ 2) with (fun i => (r x i * f x i) ^ 2) by (extensionality i; ring). apply credits_vary. }
destruct (batch_product _ _ _ K G _ _ (rewards_vary x) (scores_vary x) C) as [I2 _].
destruct (batches_line _ _ _ K G (2 * INR G) _ 2 _ 0 I1 I2) as [J _]. apply (bounded_integrable _ _ _ K G) with (1 := J). intros l L.
rewrite Rabs_pos_eq by apply pow2_ge_0. unfold credited. rewrite sum_of_centred, L.
pose proof (square_of_sum c l) as S1. pose proof (square_of_sum (r x) l) as S2. pose proof (square_of_sum (f x) l) as S3. rewrite L in S1, S2, S3. unfold c in S1.
set (u := sum_of (fun i => r x i * f x i) l) in *. set (v := sum_of (r x) l) in *. set (w := sum_of (f x) l) in *.
set (v2 := sum_of (fun i => r x i ^ 2) l) in *. set (w2 := sum_of (fun i => f x i ^ 2) l) in *.
assert (V : (v / INR G * w) ^ 2 <= v2 * w2).
{ apply Rmult_le_reg_l with (INR G ^ 2); [apply pow_lt, G0|]. replace (INR G ^ 2 * (v / INR G * w) ^ 2) with (v ^ 2 * w ^ 2) by (field; lra).
  replace (INR G ^ 2 * (v2 * w2)) with ((INR G * v2) * (INR G * w2)) by ring. apply Rmult_le_compat; try assumption; apply pow2_ge_0. }
pose proof (pow2_ge_0 (u + v / INR G * w)). lra.
Qed.

Lemma counted_square : of_groups (fun a => counted a ^ 2).
Proof.
intro x. pose proof (law x) as K. destruct (batch_sum _ _ _ K G _ (lengths_vary x)) as [I1 _].
destruct (batches_discrete _ _ _ K G) as [[_ [S _]] _]. destruct (S (INR G) _ I1) as [J _]. apply (bounded_integrable _ _ _ K G) with (1 := J).
intros l L. rewrite Rabs_pos_eq by apply pow2_ge_0. rewrite counted_tokens, <- L by exact L. apply square_of_sum.
Qed.

(* One factor (G - 1)/G/E[L] for all prompts: the direction is that of the whole gradient. *)
Theorem prompts_token_mean :
  tends of_groups grouped (fun l => sum_of credited l / sum_of counted l) ((INR G - 1) / INR G * (gradient / length_mean))
  /\ forall x l, length l = G -> counted (x, l) = sum_of (t x) l.
Proof.
split; [|exact counted_tokens]. pose proof (lt_0_INR G groups) as G0. pose proof grouped_law as law'.
assert (XN : grouped credited = (INR G - 1) * gradient).
{ unfold grouped, gradient. rewrite <- Sum_scal. apply Sum_ext; intros x _. pose proof (law x) as K.
  pose proof (square_ok _ _ _ K _ (credits_vary x)) as C1. pose proof (square_ok _ _ _ K _ (scores_vary x)) as F1. pose proof (square_ok _ _ _ K _ (rewards_vary x)) as R1.
  destruct (batch_sum _ _ _ K G _ C1) as [I1 E1]. destruct (batch_product _ _ _ K G _ _ R1 F1 C1) as [I2 E2].
  destruct (batches_line _ _ _ K G 1 _ (- / INR G) _ 0 I1 I2) as [_ L]. rewrite E1, E2, scores in L.
  rewrite (batches_ext _ (E x) G _ (fun l => 1 * sum_of (fun i => r x i * f x i) l + - / INR G * (sum_of (r x) l * sum_of (f x) l) + 0)).
  - rewrite L. field. lra.
  - intros l H. unfold credited. rewrite sum_of_centred, H. field. lra. }
assert (YN : grouped counted = INR G * length_mean).
{ unfold grouped, length_mean. rewrite <- Sum_scal. apply Sum_ext; intros x _. pose proof (law x) as K.
  rewrite (batches_ext _ (E x) G _ (sum_of (t x))) by (intros l L; apply counted_tokens, L). rewrite (proj2 (batch_sum _ _ _ K G _ (square_ok _ _ _ K _ (lengths_vary x)))). ring. }
assert (LP : 1 <= length_mean).
{ unfold length_mean. rewrite <- frequencies. apply Sum_le. intros x I. pose proof (law x) as K. destruct K as [K0 _]. rewrite <- (Rmult_1_r (rho x)) at 1. apply Rmult_le_compat_l; [apply met, I|].
  rewrite <- (proj2 (mean_const _ _ _ K0 1)). apply (mean_le _ _ _ K0); [apply (mean_const _ _ _ K0) | apply (square_ok _ _ _ (law x) _ (lengths_vary x)) | apply tokens]. }
replace ((INR G - 1) / INR G * (gradient / length_mean)) with (grouped credited / grouped counted) by (rewrite XN, YN; field; lra).
set (h := grouped credited / grouped counted).
apply tends_by with ((spread _ grouped credited + 1 + Rabs h * (spread _ grouped counted + 1)) / 2); [exact law'|]. intros N H.
destruct (ratio_of_averages _ _ _ law' N credited counted (fun _ => 0) H ltac:(intros [x l]; apply Rmax_l) credited_square counted_square (proj1 (batches_const _ _ _ law' N 0))) as [I B].
cbv zeta in B. fold h in B, I.
assert (S : (fun l => Rabs ((sum_of credited l + INR N * 0) / sum_of counted l - h)) = (fun l => Rabs (sum_of credited l / sum_of counted l - h)))
  by (extensionality l; rewrite Rmult_0_r, Rplus_0_r; reflexivity).
rewrite S in I, B. split; [exact I|]. eapply Rle_trans; [exact B|]. rewrite Rabs_R0, (proj2 (batches_const _ _ _ law' N 0)). right. ring.
Qed.
End PromptGroups.

(* O7-groups: averaged over groups of prompts x with frequencies rho, the expected update tends to the sum of rho_x grad J_x/E[L | x]. *)
Theorem groups_of_prompts X rho ok (M : nat -> (nat -> R) -> R) (U : nat -> list nat -> R) h : (forall x, (x < X)%nat -> tends (ok x) (M x) (U x) (h x)) ->
  is_lim_seq (fun G => Sum X (fun x => rho x * batches (M x) G (U x))) (Sum X (fun x => rho x * h x)).
Proof.
induction X as [|X I]; intro H; simpl; [apply is_lim_seq_const|]. apply is_lim_seq_plus'; [apply I; intros; apply H; lia|].
apply is_lim_seq_mult'; [apply is_lim_seq_const | apply H; lia].
Qed.

(* That is along grad J for all gradients g x k (prompt x, parameter k) exactly if all prompts have one mean length. *)
Theorem one_length_iff X rho (length : nat -> R) : (forall x, (x < X)%nat -> 0 < rho x) -> (forall x, (x < X)%nat -> 0 < length x) ->
  ((forall g : nat -> nat -> R, exists lambda, forall k, Sum X (fun x => rho x * (g x k / length x)) = lambda * Sum X (fun x => rho x * g x k))
   <-> forall x y, (x < X)%nat -> (y < X)%nat -> length x = length y).
Proof.
intros R L. split.
- intros H. destruct (H (fun x k => delta x k)) as [lambda E].
  assert (Q : forall x, (x < X)%nat -> / length x = lambda).
  { intros x I. pose proof (E x) as F. rewrite (Sum_ext X _ (fun y => (rho y / length y) * delta y x)) in F by (intros; unfold Rdiv; ring).
    rewrite (Sum_delta X (fun y => rho y / length y)), (Sum_delta X rho) in F by exact I. pose proof (R x I). pose proof (L x I).
    apply (Rmult_eq_reg_l (rho x)); [unfold Rdiv in F; lra | lra]. }
  intros x y I J. pose proof (Q x I) as A. rewrite <- (Q y J) in A. pose proof (L x I). pose proof (L y J). rewrite <- (Rinv_inv (length x)), A, Rinv_inv. reflexivity.
- intros H g. destruct X as [|X]; [exists 0; intro; simpl; ring|]. exists (/ length 0%nat). intro k. rewrite <- Sum_scal. apply Sum_ext.
  intros x I. rewrite (H x 0%nat I ltac:(lia)). unfold Rdiv. ring.
Qed.
